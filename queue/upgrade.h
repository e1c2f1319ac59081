// Raises the on-disk format of a queue and of its delivery store to this release's. Internal to
// queue/; `queuectl upgrade-format` calls it.
//
// Durable when a call returns. A kill anywhere leaves a store that is whole and of one version or
// the other: what a new version adds is made first, FORMAT is replaced last, and a second call
// finishes what a first one began. Takes the lock, so the daemon must be stopped (kBusy). Works as
// the owner of the folder (see folder_owner.h). One thread.
#ifndef SLUICE_QUEUE_UPGRADE_H_
#define SLUICE_QUEUE_UPGRADE_H_

#include <functional>
#include <optional>
#include <string_view>

#include "common/error.h"
#include "queue/instance.h"

namespace sluice::queue {

struct Upgrade {
  // The version that was found; nothing: there is no such store.
  std::optional<int> from;
};

// Called before each step that changes something on disk, for tests that stop there: an error it
// returns ends the upgrade.
using UpgradeStep = std::function<Result<void>(std::string_view)>;

// The journal is the delivery store's, so only the raising of that is written down there, with the
// reason and who runs this.
Result<Upgrade> upgrade_queue(const InstancePaths& paths, const UpgradeStep& step = {});
Result<Upgrade> upgrade_delivery(const InstancePaths& paths, std::string_view reason,
                                 const UpgradeStep& step = {});

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_UPGRADE_H_
