// Reaches what queuectl may ask to be changed: a running shipper by its control socket, or, when
// none runs, its delivery store through the same code.
#ifndef SLUICE_QUEUE_QUEUECTL_CONTROL_ACCESS_H_
#define SLUICE_QUEUE_QUEUECTL_CONTROL_ACCESS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "common/error.h"
#include "queue/control/client.h"
#include "queue/instance.h"
#include "queue/queuectl/access.h"
#include "queue/replay_job.h"

namespace sluice::queue {

// For changes: calls `use` with a client, once. Without a shipper it takes the store's lock and
// opens the store as the user whose it is, so that no file of root's is left in it; then, for
// changes that concern what is not delivered yet, it is held against `queue`, as a shipper would do
// first. A shipper that is just starting is waited for, a few seconds. kBusy: a process has the
// store and does not answer. kCannotCreate: this user may not.
Result<void> with_control(const InstancePaths& paths,
                          const std::function<Result<void>(ControlClient* client)>& use,
                          const QueueView* queue = nullptr);

// For looking, which takes no lock and needs no shipper: all replay jobs, the oldest first. One
// whose id is given is whole; of others the lists of types and ids may be cut.
Result<std::vector<ReplayJob>> look_at_replays(Access* access);
// kNotFound: there is none.
Result<ReplayJob> look_at_replay(Access* access, std::uint64_t id);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_CONTROL_ACCESS_H_
