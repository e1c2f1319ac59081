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

struct TomlContent {
  std::vector<TomlEntry> entries;  // in the order of the file
  // Errors of syntax, each one sentence, "FILE:LINE:COL: …" (kConfig). Where it is clear what was
  // meant (a value that lacks its quotes, a line that is there twice), the rest is read as if that
  // had been corrected, so that further mistakes are found in one go.
  std::vector<Error> mistakes;
  bool is_whole = true;  // false: the last mistake ended it, and there are no entries
};

TomlContent parse_toml(std::string_view text, std::string_view file);

}  // namespace sluice

#endif  // SLUICE_COMMON_TOML_SOURCE_H_
