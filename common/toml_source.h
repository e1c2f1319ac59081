// The configuration file as a flat list of keys and values with their places in it.
//
// Knows TOML and no settings. The only user of toml++, whose exceptions end here.
#ifndef SLUICE_COMMON_TOML_SOURCE_H_
#define SLUICE_COMMON_TOML_SOURCE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/raw_value.h"

namespace sluice {

struct TomlPlace {
  std::uint32_t line = 0;  // both from 1
  std::uint32_t column = 0;
};

struct TomlEntry {
  // All parts with dots between them; a part that has a dot itself is in quotes.
  std::string key;
  TomlPlace key_place;
  RawValue value;  // a table only if it is empty: others are listed by their keys
  TomlPlace value_place;
};

// The entries in the order of the file. A syntax error is one sentence, "FILE:LINE:COL: …"
// (kConfig); a value that only lacks its quotes is told to get them.
Result<std::vector<TomlEntry>> parse_toml(std::string_view text, std::string_view file);

}  // namespace sluice

#endif  // SLUICE_COMMON_TOML_SOURCE_H_
