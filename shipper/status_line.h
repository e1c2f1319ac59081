// How both lanes are: a line once a minute in the log, and a shorter one for `systemctl status`,
// whose reader wants to know how it is now.
//
// One thread.
#ifndef SLUICE_SHIPPER_STATUS_LINE_H_
#define SLUICE_SHIPPER_STATUS_LINE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/time.h"
#include "queue/delivery_store.h"
#include "queue/types.h"
#include "shipper/lane_counters.h"

namespace sluice::shipper {

// What became of a queue whose every number is accounted for.
std::string describe_drained(const queue::LaneProgress& audit, const queue::LaneProgress& session);

// Of one lane, as `systemctl status` shows it. `durable`: up to where there are events.
// `oldest_ms`: when the first of those that wait was fetched, if that is known.
std::string describe_backlog(queue::Lane lane, const queue::LaneProgress& progress,
                             queue::Seq durable, std::optional<std::int64_t> oldest_ms);

class StatusLine {
 public:
  StatusLine(const queue::PerLane<LaneCounters>* counters, const Clock& clock);

  // Says what is due.
  void tick(const queue::DeliveryStore& store, const queue::PerLane<queue::Seq>& durable,
            const queue::PerLane<std::optional<std::int64_t>>& oldest_ms);

 private:
  std::string describe(queue::Lane lane, const queue::LaneProgress& progress, queue::Seq durable);

  const queue::PerLane<LaneCounters>* counters_;
  const Clock& clock_;
  std::chrono::milliseconds next_line_;
  std::chrono::milliseconds next_status_{};
  queue::PerLane<std::uint64_t> acknowledged_before_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_STATUS_LINE_H_
