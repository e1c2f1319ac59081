// Named values as text, for the sources' state in the queue: one line NAME=VALUE each, so that a
// person with a database tool can read it, and a later release can add names.
//
// Values may be any bytes: backslash and line feed are written as \\ and \n. Pure; any thread.
#ifndef SLUICE_FETCHER_SOURCE_STATE_FIELDS_H_
#define SLUICE_FETCHER_SOURCE_STATE_FIELDS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice::fetcher {

class StateFields {
 public:
  // kCorrupt for text that encode() cannot have written.
  static Result<StateFields> decode(std::string_view text);
  std::string encode() const;

  void set(std::string_view name, std::string_view value);
  void set_number(std::string_view name, std::int64_t value);
  // Nothing if the name is not there.
  std::optional<std::string> find(std::string_view name) const;
  // kCorrupt if the name is not there or its value is not a number.
  Result<std::int64_t> number(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_STATE_FIELDS_H_
