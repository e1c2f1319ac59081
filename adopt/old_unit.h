// What the systemd unit of Teleport's teleport-event-handler says: its configuration file, its
// working directory, and which settings it has on its command line or in its environment, where no
// file shows them. Only reads.
#ifndef SLUICE_ADOPT_OLD_UNIT_H_
#define SLUICE_ADOPT_OLD_UNIT_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace sluice::adopt {

struct OldUnit {
  std::string name;
  std::filesystem::path config;                   // as the unit has it; empty: it names none
  std::filesystem::path working_directory = "/";  // where relative paths start
  std::vector<std::string> settings;              // flags and variables besides
};

// Below `root`, with its drop-in files. Nothing: there is no such unit.
Result<std::optional<OldUnit>> read_old_unit(const std::filesystem::path& root,
                                             const std::string& name);

// Adds what the text of a unit file, or of a drop-in file, says.
void read_unit_text(std::string_view text, OldUnit* unit);

}  // namespace sluice::adopt

#endif  // SLUICE_ADOPT_OLD_UNIT_H_
