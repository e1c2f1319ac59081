// How fast a queue grows, and when its room is used up. Pure.
#ifndef SLUICE_QUEUE_DISK_FORECAST_H_
#define SLUICE_QUEUE_DISK_FORECAST_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "queue/disk_limits.h"
#include "queue/history.h"
#include "queue/types.h"

namespace sluice::queue {

// How fast the queue's folder, which takes `used` bytes, would grow if nothing were trimmed: from
// how many events came in the last day of the history, and how large those are that are kept, from
// `floor` to `durable`. Nothing: not known.
std::optional<std::uint64_t> bytes_a_day(const std::vector<HistoryRow>& rows,
                                         const PerLane<Seq>& durable, const PerLane<Seq>& floor,
                                         std::uint64_t used);

// About how many of the `used` bytes are of events up to `position`, which are delivered, and so
// are trimmed before a lane has to wait.
std::uint64_t trimmable_bytes(std::uint64_t used, const PerLane<Seq>& durable,
                              const PerLane<Seq>& floor, const PerLane<Seq>& position);

// How long until the queue may grow no more, by its own limit or by what has to stay free, if
// nothing is acknowledged from now on. Nothing: it does not grow, or not known.
std::optional<std::chrono::milliseconds> full_in(std::optional<std::uint64_t> bytes_a_day,
                                                 std::uint64_t used, std::uint64_t trimmable,
                                                 const DiskSpace& space, const DiskPlan& plan);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DISK_FORECAST_H_
