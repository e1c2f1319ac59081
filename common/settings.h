// The one table of all settings. Reading the file, the environment and the flags, the help texts,
// the man pages and the tables in docs/configuration.md all follow from it, so that they cannot
// differ.
#ifndef SLUICE_COMMON_SETTINGS_H_
#define SLUICE_COMMON_SETTINGS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"
#include "common/setting_value.h"

namespace sluice {

struct Setting {
  enum class Users { kAll, kDaemons, kFetcher, kShipper };

  std::string_view name;              // the flag without its dashes
  std::string_view key = {};          // in the file, as we document it; empty: a flag only
  std::string_view environment = {};  // as we document it; empty with the key
  ValueType type = ValueType::kText;
  std::string_view initial = {};  // the default as one would write it; empty: none
  Bounds bounds = {};             // of counts, bytes and durations
  Users users = Users::kAll;
  bool upstream = false;       // a setting of teleport-event-handler
  std::string_view help = {};  // a sentence without its full stop, for help texts and the document

  // Puts a value, which parse_value made for `type`, into its place. Null: nobody needs it.
  void (*assign)(const Value& value, Config* config) = nullptr;
};

std::span<const Setting> settings();

// Null if there is none.
const Setting* find_setting(std::string_view name);

bool uses(Program program, const Setting& setting);

// Every key of the file that means this setting, none if it is a flag only. Upstream looks a flag
// up with dots for its dashes, then with its dashes, both below forward.fluentd. where the flag's
// name starts with fluentd-.
std::vector<std::string> file_keys(const Setting& setting);

// Every environment variable that means this setting: upstream's in both spellings of its prefix.
std::vector<std::string> environment_names(const Setting& setting);

}  // namespace sluice

#endif  // SLUICE_COMMON_SETTINGS_H_
