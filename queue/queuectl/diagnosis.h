// What an instance's own numbers say is wrong, as findings: daemons that do not run, events that
// wait, dead letters, numbers that do not add up, pages that are stale, other versions.
//
// Pure but for look_at_pages() and look_at_process(), which read.
#ifndef SLUICE_QUEUE_QUEUECTL_DIAGNOSIS_H_
#define SLUICE_QUEUE_QUEUECTL_DIAGNOSIS_H_

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/finding.h"
#include "queue/control_page.h"
#include "queue/dead_letter_limits.h"
#include "queue/instance.h"
#include "queue/queuectl/snapshot.h"

namespace sluice::queue {

// What the pages say; nothing: there is none that is valid, or it may not be read.
struct Pages {
  std::optional<FetcherPage> fetcher;
  std::optional<ShipperPage> shipper;
};
Pages look_at_pages(const InstancePaths& paths);

struct DiagnosisContext {
  DeadLetterLimits letter_limits = {};
  std::string boot_id;  // of this machine's present boot; empty: not known
  std::string see_all;  // the command by which somebody who may see everything does; empty: we do
};

std::vector<Finding> diagnose(const Snapshot& snapshot, const Pages& pages,
                              const DiagnosisContext& context);

// Whether what runs as process `pid` is the file `program`, as it is on the disk now.
Finding look_at_process(const std::string& name, int pid, const std::filesystem::path& program);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_DIAGNOSIS_H_
