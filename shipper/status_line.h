// A line about both lanes, once a minute, in the log and for `systemctl status`.
//
// One thread.
#ifndef SLUICE_SHIPPER_STATUS_LINE_H_
#define SLUICE_SHIPPER_STATUS_LINE_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "common/time.h"
#include "queue/delivery_store.h"
#include "queue/types.h"
#include "shipper/lane_counters.h"

namespace sluice::shipper {

// What became of a queue whose every number is accounted for.
std::string describe_drained(const queue::LaneProgress& audit, const queue::LaneProgress& session);

class StatusLine {
 public:
  StatusLine(const queue::PerLane<LaneCounters>* counters, const Clock& clock);

  // Writes the line if a minute has passed since the last one.
  void tick(const queue::DeliveryStore& store, const queue::PerLane<queue::Seq>& durable);

 private:
  std::string describe(queue::Lane lane, const queue::LaneProgress& progress, queue::Seq durable);

  const queue::PerLane<LaneCounters>* counters_;
  const Clock& clock_;
  std::chrono::milliseconds last_;
  queue::PerLane<std::uint64_t> acknowledged_before_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_STATUS_LINE_H_
