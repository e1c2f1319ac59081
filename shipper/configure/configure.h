// `sluice-shipper configure OUT [ADDR]`: everything that Teleport, Fluentd and Sluice have to be
// given so that they trust each other, in one new folder: certificates, Fluentd's configuration,
// Teleport's role, Sluice's configuration.
//
// What Teleport's own `teleport-event-handler configure` makes, with options of the same names.
// Talks to nobody.
#ifndef SLUICE_SHIPPER_CONFIGURE_CONFIGURE_H_
#define SLUICE_SHIPPER_CONFIGURE_CONFIGURE_H_

#include <filesystem>
#include <string>
#include <vector>

#include "common/daemon.h"
#include "common/error.h"
#include "common/time.h"
#include "shipper/configure/file_set.h"
#include "shipper/configure/plan.h"

namespace sluice::shipper::configure {

DaemonCommand configure_command();

// All files of the set. Makes new keys at each call.
Result<std::vector<NewFile>> make_files(const Plan& plan);

// What the command prints at its end. `aside`: where what was there is now; empty: there was
// nothing.
std::string describe_result(const Plan& plan, const std::filesystem::path& aside);

}  // namespace sluice::shipper::configure

#endif  // SLUICE_SHIPPER_CONFIGURE_CONFIGURE_H_
