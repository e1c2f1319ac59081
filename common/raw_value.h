// A configuration value as it was written, before anybody knows which setting it belongs to.
#ifndef SLUICE_COMMON_RAW_VALUE_H_
#define SLUICE_COMMON_RAW_VALUE_H_

#include <string>
#include <vector>

namespace sluice {

struct RawValue {
  enum class Kind {
    kText,  // of a flag or the environment, where everything is text
    kString,
    kInteger,
    kFloat,
    kBoolean,
    kTime,  // any of TOML's dates and times
    kArray,
    kTable,
  };

  Kind kind = Kind::kText;
  std::string text;             // of a scalar
  std::vector<RawValue> items;  // of an array
};

// For "…, but there is WHAT": `the integer 5`, `the string "x"`, `a table`. Long text is cut, and
// control characters are shown as ?.
std::string describe(const RawValue& value);

}  // namespace sluice

#endif  // SLUICE_COMMON_RAW_VALUE_H_
