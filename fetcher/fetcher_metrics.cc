#include "fetcher/fetcher_metrics.h"

#include <chrono>
#include <utility>

#include "common/process_metrics.h"
#include "queue/ledger_metrics.h"

namespace sluice::fetcher {
namespace {

using queue::fill_ledger;

void add(const IngestCounts& more, IngestCounts* sum) {
  for (const queue::Lane lane : queue::kLanes) {
    sum->queued[lane] += more.queued[lane];
    sum->rejected[lane] += more.rejected[lane];
    sum->filtered[lane] += more.filtered[lane];
    sum->duplicates[lane] += more.duplicates[lane];
  }
}

}  // namespace

void FetcherMetrics::tick(const State& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  waits_for_.clear();
}

void FetcherMetrics::end_generation() {
  const std::lock_guard lock(mutex_);
  add(state_.counts, &before_);
  state_.counts = {};
}

void FetcherMetrics::begin_wait(std::string why) {
  const std::lock_guard lock(mutex_);
  waits_for_ = std::move(why);
}

std::string FetcherMetrics::why_not_ready() const {
  const std::lock_guard lock(mutex_);
  return waits_for_;
}

void FetcherMetrics::fill(const std::vector<CallCount>& calls, MetricsPage* page) const {
  fill_process_metrics("fetcher", *config_, page);
  for (const CallCount& kind : calls) {
    const MetricsPage::Labels labels = {{"call", std::string(kind.name)}};
    page->counter("sluice_teleport_calls_total", "Calls to Teleport.", labels,
                  static_cast<double>(kind.begun));
    page->counter("sluice_failed_teleport_calls_total", "Of them, those that have failed.", labels,
                  static_cast<double>(kind.failed));
  }
  page->histogram("sluice_queue_commit_duration_seconds", "What a sync of the queue took.", {},
                  sync_duration_.snapshot());
  const std::lock_guard lock(mutex_);
  IngestCounts counts = before_;
  add(state_.counts, &counts);
  for (const queue::Lane lane : queue::kLanes) fill_lane(lane, counts, page);
  const auto gauge = [page](const char* name, const char* help, double value) {
    page->gauge(name, help, {}, value);
  };
  gauge("sluice_recordings_pending", "Recordings that are not wholly read.",
        static_cast<double>(state_.recordings_pending));
  gauge("sluice_backfills_open", "Spans of the past that are not wholly read.",
        static_cast<double>(state_.backfills_open));
  gauge("sluice_epoch", "How often the queue has been opened for writing.",
        static_cast<double>(state_.epoch));
  gauge("sluice_queue_bytes", "What the queue's folder takes.",
        static_cast<double>(state_.usage.used));
  gauge("sluice_queue_max_bytes", "What it may take (queue.max-size).",
        static_cast<double>(state_.max_size));
  if (state_.full_in) {
    gauge(
        "sluice_queue_full_in_seconds",
        "For how long its room lasts if Fluentd takes nothing and events come as in the last day.",
        std::chrono::duration<double>(*state_.full_in).count());
  }
  if (state_.read_up_to) {
    gauge("sluice_read_up_to_timestamp_seconds",
          "All events before this time that Teleport had to give are in the queue, as unix time. "
          "Its age is the alarm for a source that is silent or not read.",
          static_cast<double>(state_.read_up_to->time_ms) / 1000);
  }
}

void FetcherMetrics::fill_lane(queue::Lane lane, const IngestCounts& counts,
                               MetricsPage* page) const {
  const MetricsPage::Labels labels = {{"lane", std::string(queue::name_of(lane))}};
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    page->counter(name, help, labels, static_cast<double>(value));
  };
  counter("sluice_queued_events_total", "Events that were written into the queue.",
          counts.queued[lane]);
  counter("sluice_rejected_events_total",
          "Of them, those that cannot be shipped and become dead letters.", counts.rejected[lane]);
  counter("sluice_filtered_events_total", "Events that the configuration leaves out.",
          counts.filtered[lane]);
  counter("sluice_duplicate_events_total",
          "Events that Teleport gave again, and that were kept out.", counts.duplicates[lane]);
  page->gauge("sluice_queue_last_number", "The number of the last event in the queue.", labels,
              static_cast<double>(state_.last[lane]));
  page->gauge("sluice_queue_lane_bytes", "What a lane's own records take on the disk.", labels,
              static_cast<double>(state_.usage.lane[lane]));
  page->gauge("sluice_fetching_paused",
              "1 while the lane has no room, and Teleport keeps its events.", labels,
              state_.is_paused[lane] ? 1 : 0);
  const queue::LedgerRow& row = state_.ledger[lane];
  fill_ledger(lane,
              {{"queued", row.queued}, {"filtered", row.filtered}, {"duplicate", row.duplicates}},
              page);
}

}  // namespace sluice::fetcher
