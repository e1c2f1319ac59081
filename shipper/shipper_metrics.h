// What the shipper tells Prometheus (docs/metrics.md lists all of it).
//
// Threads: tick(), begin_wait() by the one of the generation; the others by any.
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
#include "queue/ledger.h"
#include "queue/read_up_to.h"
#include "queue/sink_report.h"
#include "queue/types.h"
#include "shipper/heartbeat_counters.h"
#include "shipper/lane_counters.h"

namespace sluice::shipper {

class ShipperMetrics {
 public:
  // All given must outlive it.
  ShipperMetrics(const Config* config, const Clock* clock,
                 const queue::PerLane<LaneCounters>* counters, const HeartbeatCounters* heartbeats,
                 std::function<queue::SinkReport()> sink_report);

  struct LaneState {
    queue::LaneProgress progress;
    queue::LedgerRow ledger;  // of all days
    queue::DeadLetterTotals letters;
    queue::Seq durable = 0;
    std::uint64_t backlog = 0;
    std::int64_t unaccounted = 0;
    // When the first event was fetched that is not accounted for; nothing: there is none.
    std::optional<std::int64_t> oldest_ms;
  };
  struct QueueState {
    queue::Id128 id;
    std::string cluster;
    std::uint64_t epoch = 0;
    std::optional<queue::ReadUpTo> read_up_to;
    queue::PerLane<queue::Seq> durable;
    queue::PerLane<std::optional<std::int64_t>> oldest_ms;
  };
  // Of one moment.
  struct State {
    std::string waits_for;  // empty: it ships
    std::optional<QueueState> queue;
    queue::PerLane<LaneState> lanes;
  };

  // How far the lanes are; to be called about once a second while they ship.
  void tick(const queue::DeliveryStore& store, const QueueState& queue);
  // There is no queue to ship from.
  void begin_wait(std::string why);

  void fill(MetricsPage* page) const;
  std::string why_not_ready() const { return state().waits_for; }
  State state() const;

 private:
  void fill_lane(queue::Lane lane, const LaneState& state, MetricsPage* page) const;

  const Config* config_;
  const Clock* clock_;
  const queue::PerLane<LaneCounters>* counters_;
  const HeartbeatCounters* heartbeats_;
  std::function<queue::SinkReport()> sink_report_;
  mutable std::mutex mutex_;
  State state_{.waits_for = "the queue is not open yet", .queue = std::nullopt, .lanes = {}};
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_SHIPPER_METRICS_H_
