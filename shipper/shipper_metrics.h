// What the shipper tells Prometheus (docs/metrics.md lists all of it).
//
// Threads: tick(), begin_wait() by the one of the generation; fill() and why_not_ready() by any.
#ifndef SLUICE_SHIPPER_SHIPPER_METRICS_H_
#define SLUICE_SHIPPER_SHIPPER_METRICS_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "common/config.h"
#include "common/metrics_page.h"
#include "common/time.h"
#include "queue/dead_letter.h"
#include "queue/delivery_store.h"
#include "queue/sink_report.h"
#include "queue/types.h"
#include "shipper/lane_counters.h"

namespace sluice::shipper {

class ShipperMetrics {
 public:
  // All given must outlive it.
  ShipperMetrics(const Config* config, const Clock* clock,
                 const queue::PerLane<LaneCounters>* counters,
                 std::function<queue::SinkReport()> sink_report);

  // How far the lanes are; to be called about once a second while they ship. `oldest_ms`: when the
  // first event was fetched that is not accounted for; nothing: there is none.
  void tick(const queue::DeliveryStore& store, const queue::PerLane<queue::Seq>& durable,
            const queue::PerLane<std::optional<std::int64_t>>& oldest_ms);
  // There is no queue to ship from.
  void begin_wait(std::string why);

  void fill(MetricsPage* page) const;
  std::string why_not_ready() const;

 private:
  struct LaneState {
    queue::LaneProgress progress;
    queue::DeadLetterTotals letters;
    queue::Seq durable = 0;
    std::optional<std::int64_t> oldest_ms;
  };
  void fill_lane(queue::Lane lane, const LaneState& state, MetricsPage* page) const;

  const Config* config_;
  const Clock* clock_;
  const queue::PerLane<LaneCounters>* counters_;
  std::function<queue::SinkReport()> sink_report_;
  mutable std::mutex mutex_;
  std::string waits_for_ = "the queue is not open yet";
  std::optional<queue::PerLane<LaneState>> lanes_;  // nothing until it ships
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_SHIPPER_METRICS_H_
