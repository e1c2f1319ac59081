// `sluice-fetcher position`: the way back to Teleport's own teleport-event-handler.
//
// Says the --start-time with which that handler leaves nothing out, and what it then sends again
// that was fetched here. Looks into the queue as any reader does: while the fetcher runs or not,
// and changes nothing.
#ifndef SLUICE_FETCHER_POSITION_H_
#define SLUICE_FETCHER_POSITION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "common/daemon.h"
#include "common/error.h"
#include "common/time.h"
#include "queue/instance.h"
#include "queue/types.h"

namespace sluice::fetcher {

struct Position {
  std::string cluster;
  Timestamp start_time;  // whole seconds: each earlier event is in the queue
  Timestamp looked_at;   // when Teleport was asked for what that follows from
  // In the queue with an event day from that of start_time on: what may come twice.
  queue::PerLane<std::uint64_t> queued_since;
  // Not yet acknowledged by Fluentd; nothing: no shipper has published that for this queue.
  std::optional<queue::PerLane<std::uint64_t>> backlog;
};

// kNotFound: there is no queue, or nothing was read to its end yet; other errors as of
// queue::Reader.
Result<Position> read_position(const queue::InstancePaths& paths);

std::string describe(const Position& position);
std::string to_json(const Position& position);

DaemonCommand position_command();

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_POSITION_H_
