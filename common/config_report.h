// The configuration for who looks at it rather than working with it: every mistake in it, and where
// each value comes from.
//
// No sentence and no value in it has a secret. Reads the file and the environment, and opens no
// other file.
#ifndef SLUICE_COMMON_CONFIG_REPORT_H_
#define SLUICE_COMMON_CONFIG_REPORT_H_

#include <set>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"
#include "common/setting_value.h"

namespace sluice {

struct ResolvedSetting {
  std::string name;   // the flag without its dashes
  std::string key;    // in the file; empty: a flag only
  std::string value;  // as one would write it; "none": there is none
  SettingSource from = SettingSource::kDefault;
  std::string place;  // "FILE:LINE:COL", "--flag", "the environment variable NAME"; empty: default
};

struct ConfigReport {
  Config config;  // with the defaults of what is wrong
  std::vector<Error>
      mistakes;  // those of syntax, of the file, the environment and flags, and others
  // The names of those settings that must not be used, because of a mistake.
  std::set<std::string, std::less<>> unusable;
  std::vector<ResolvedSetting> settings;  // that the program uses, in the order of the table
};

// `source` as a word: "file", "environment", "flag", "default".
std::string_view name_of(SettingSource source);

ConfigReport report_on_config(Program program, const ConfigSources& sources);

}  // namespace sluice

#endif  // SLUICE_COMMON_CONFIG_REPORT_H_
