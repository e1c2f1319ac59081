// From what was written to a typed value, within the bounds of its setting.
#ifndef SLUICE_COMMON_SETTING_VALUE_H_
#define SLUICE_COMMON_SETTING_VALUE_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "common/error.h"
#include "common/http_header.h"
#include "common/raw_value.h"
#include "common/time.h"

namespace sluice {

enum class ValueType {
  kSwitch,    // bool
  kCount,     // std::uint64_t
  kBytes,     // std::uint64_t
  kDuration,  // std::chrono::milliseconds
  kTime,      // Timestamp, whole seconds
  kText,      // std::string
  kAddress,   // std::string, HOST:PORT
  kUrls,      // std::vector<std::string>
  kFolder,    // std::filesystem::path
  kFile,      // std::filesystem::path
  kList,      // std::vector<std::string>
  kHeaders,   // std::vector<HttpHeader>
};

// std::monostate: an empty text, which means "as if it were not given", so that a flag or the
// environment can take back what the file says. Not for lists, where empty is a value.
using Value = std::variant<std::monostate, bool, std::uint64_t, std::chrono::milliseconds,
                           Timestamp, std::string, std::filesystem::path, std::vector<std::string>,
                           std::vector<HttpHeader>>;

// What a type accepts: counts and bytes as they are, durations in milliseconds.
struct Bounds {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};

// "1 to 10000", "64KiB to 4GiB", "100ms to 1d".
std::string describe(ValueType type, const Bounds& bounds);

// What stands for a value in a help text: "FILE", "DURATION"; "" for a switch.
std::string placeholder(ValueType type);

enum class SettingSource { kDefault, kFile, kEnvironment, kFlag };

// Where a value was written, for sentences about it.
struct Origin {
  SettingSource from = SettingSource::kDefault;
  std::string where;  // "FILE:LINE:COL: ", or empty
  std::string label;  // the key, "--flag" or "the environment variable NAME"
  ErrorKind kind = ErrorKind::kConfig;
  std::filesystem::path folder;  // relative paths are resolved against it

  // "FILE:LINE:COL", or else the label.
  std::string place() const;
  // "WHERE" + "LABEL " + rest.
  Error mistake(const std::string& rest) const;
};

// The value as one would write it, without what may be secret: a header's text, a URL's user and
// query.
std::string format_value(ValueType type, const Value& value);

Result<Value> parse_value(ValueType type, const Bounds& bounds, const RawValue& raw,
                          const Origin& origin);

}  // namespace sluice

#endif  // SLUICE_COMMON_SETTING_VALUE_H_
