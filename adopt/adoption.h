// Prepares a machine on which Teleport's teleport-event-handler runs for Sluice in its place:
// copies of certificates with the right owners, the configuration in its place, a copy of the
// handler's state where the fetcher could not read it, the old unit stopped and disabled.
//
// Everything is looked at before anything is changed, and nothing that was there is deleted. What
// is done already is left alone, so it can be run again. It starts nothing: until the new units
// are started, Teleport keeps the events. For root, or whoever may do all of it below `root`.
#ifndef SLUICE_ADOPT_ADOPTION_H_
#define SLUICE_ADOPT_ADOPTION_H_

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/error.h"

namespace sluice::adopt {

struct AdoptionOptions {
  std::filesystem::path root = "/";
  std::string unit = "teleport-event-handler.service";
  std::filesystem::path config;  // empty: the one that the unit names
  std::string instance = "default";
  bool dry_run = false;
};

// Called with each line of what is done or, in a dry run, would be.
using Say = std::function<void(const std::string& line)>;
// Runs systemctl with these arguments: its exit status.
using Systemctl = std::function<Result<int>(const std::vector<std::string>& arguments)>;

// kConfig, kNotFound, kCannotCreate …: nothing was changed, unless the sentence is of a step that
// was said before.
Result<void> adopt(const AdoptionOptions& options, const Systemctl& systemctl, const Say& say);

}  // namespace sluice::adopt

#endif  // SLUICE_ADOPT_ADOPTION_H_
