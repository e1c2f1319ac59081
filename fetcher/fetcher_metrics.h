// What the fetcher tells Prometheus (docs/metrics.md lists all of it).
//
// Threads: tick(), end_generation() and begin_wait() by the one that has the queue; fill() and
// why_not_ready() by any.
#ifndef SLUICE_FETCHER_FETCHER_METRICS_H_
#define SLUICE_FETCHER_FETCHER_METRICS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/histogram.h"
#include "common/metrics_page.h"
#include "fetcher/ingest/ingest_loop.h"
#include "fetcher/teleport/call_count.h"
#include "queue/disk_limits.h"
#include "queue/ledger.h"
#include "queue/read_up_to.h"
#include "queue/types.h"

namespace sluice::fetcher {

class FetcherMetrics {
 public:
  // How far a generation is.
  struct State {
    IngestCounts counts;  // since its start
    queue::PerLane<queue::Seq> last;
    queue::PerLane<bool> is_paused;
    std::optional<queue::ReadUpTo> read_up_to;
    std::size_t recordings_pending = 0;
    std::size_t backfills_open = 0;
    std::uint64_t epoch = 0;
    queue::PerLane<queue::LedgerRow> ledger;  // of all days
    queue::DiskUsage usage;
    std::uint64_t max_size = 0;
    std::optional<std::chrono::milliseconds> full_in;
  };

  explicit FetcherMetrics(const Config* config) : config_(config) {}

  // Of the queue's syncs; to be given to its Writer.
  Histogram* sync_duration() { return &sync_duration_; }

  // To be called about once a second while there is a generation.
  void tick(const State& state);
  // Its counts are kept: counters of this process never go back.
  void end_generation();
  void begin_wait(std::string why);

  void fill(const std::vector<CallCount>& calls, MetricsPage* page) const;
  std::string why_not_ready() const;

 private:
  void fill_lane(queue::Lane lane, const IngestCounts& counts, MetricsPage* page) const;

  const Config* config_;
  Histogram sync_duration_;
  mutable std::mutex mutex_;
  std::string waits_for_ = "the queue is not open yet";
  IngestCounts before_;  // of generations that have ended
  State state_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_FETCHER_METRICS_H_
