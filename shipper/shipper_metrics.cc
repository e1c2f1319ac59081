#include "shipper/shipper_metrics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/process_metrics.h"
#include "queue/ledger_metrics.h"
#include "queue/unaccounted.h"

namespace sluice::shipper {
namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

// Whether nothing was committed between the reading of the progress and that of the ledger.
bool read_sums(const queue::DeliveryStore& store, queue::Lane lane,
               ShipperMetrics::LaneState* state) {
  constexpr int kTriesMax = 3;
  for (int i = 0; i < kTriesMax; ++i) {
    state->progress = store.progress(lane);
    state->ledger = total_of(store.ledger(), lane);
    if (store.progress(lane) == state->progress) return true;
  }
  return false;
}

// As LaneCounters::answers has them.
constexpr std::array<const char*, LaneCounters::kAnswerKinds> kAnswerNames = {"none", "1xx", "2xx",
                                                                              "3xx",  "4xx", "5xx"};

}  // namespace

ShipperMetrics::ShipperMetrics(const Config* config, const Clock* clock,
                               const queue::PerLane<LaneCounters>* counters,
                               const HeartbeatCounters* heartbeats,
                               std::function<queue::SinkReport()> sink_report)
    : config_(config),
      clock_(clock),
      counters_(counters),
      heartbeats_(heartbeats),
      sink_report_(std::move(sink_report)) {}

void ShipperMetrics::tick(const queue::DeliveryStore& store, const QueueState& queue) {
  State now{.waits_for = "", .queue = queue, .lanes = {}};
  queue::PerLane<LaneState> before;
  {
    const std::lock_guard lock(mutex_);
    before = state_.lanes;
  }
  for (const queue::Lane lane : queue::kLanes) {
    LaneState& state = now.lanes[lane];
    state.letters = store.dead_letters(lane);
    state.durable = queue.durable[lane];
    state.oldest_ms = queue.oldest_ms[lane];
    const bool is_of_one_moment = read_sums(store, lane, &state);
    const std::uint64_t done = state.progress.position + state.progress.completed_count();
    state.backlog = state.durable > done ? state.durable - done : 0;
    // What is seen while numbers change says nothing.
    state.unaccounted = is_of_one_moment && state.durable >= done
                            ? queue::unaccounted(state.durable, state.backlog, state.ledger)
                            : before[lane].unaccounted;
  }
  const std::lock_guard lock(mutex_);
  state_ = std::move(now);
}

void ShipperMetrics::begin_wait(std::string why) {
  const std::lock_guard lock(mutex_);
  state_.waits_for = std::move(why);
}

ShipperMetrics::State ShipperMetrics::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void ShipperMetrics::fill(MetricsPage* page) const {
  fill_process_metrics("shipper", *config_, page);
  const queue::SinkReport sink = sink_report_();
  if (sink.count && sink.count->since_ms != 0) {
    page->gauge("sluice_sink_difference_events",
                "What Fluentd has counted beyond what it has acknowledged; below zero: it has "
                "certainly lost so many.",
                {}, static_cast<double>(sink.count->differs_by));
  }
  if (!config_->shipper.heartbeat_tag.empty()) {
    const char* const help = "Heartbeats by whether Fluentd has taken them.";
    page->counter("sluice_heartbeats_total", help, {{"result", "accepted"}},
                  number(heartbeats_->accepted));
    page->counter("sluice_heartbeats_total", help, {{"result", "failed"}},
                  number(heartbeats_->failed));
  }
  const State now = state();
  if (now.queue) {
    page->gauge("sluice_epoch", "How often the queue has been opened for writing.", {},
                number(now.queue->epoch));
  }
  for (const queue::Lane lane : queue::kLanes) fill_lane(lane, now.lanes[lane], page);
}

void ShipperMetrics::fill_lane(queue::Lane lane, const LaneState& state, MetricsPage* page) const {
  const MetricsPage::Labels labels = {{"lane", std::string(queue::name_of(lane))}};
  const LaneCounters& counters = (*counters_)[lane];
  page->counter("sluice_shipped_events_total", "Events that Fluentd has acknowledged.", labels,
                number(counters.acknowledged));
  for (const auto& [reason, events] : counters.dead_letters.counts()) {
    auto with_reason = labels;
    with_reason.emplace_back("reason", reason);
    page->counter("sluice_dead_lettered_events_total",
                  "Events that became dead letters, because Fluentd will never take them.",
                  with_reason, number(events));
  }
  page->counter("sluice_lost_records_passed_total",
                "Numbers that were passed because the queue had lost their records.", labels,
                number(counters.gaps));
  page->counter("sluice_resent_events_total",
                "Events that were sent again though Fluentd may have stored them: at most so many "
                "duplicates.",
                labels, number(counters.resent_unknown + counters.resent_hidden));
  page->counter("sluice_requests_total", "Requests to Fluentd.", labels, number(counters.requests));
  page->counter("sluice_failed_requests_total", "Requests that are to be sent again.", labels,
                number(counters.requests_failed));
  for (std::size_t kind = 0; kind < kAnswerNames.size(); ++kind) {
    auto with_status = labels;
    with_status.emplace_back("status", kAnswerNames[kind]);
    page->counter("sluice_answers_total",
                  "Answers of Fluentd by status; none: it could not be reached or did not answer.",
                  with_status, number(counters.answers[kind]));
  }
  page->gauge("sluice_requests_at_once_max", "How many requests may be under way now.", labels,
              number(counters.requests_at_once_max));
  page->gauge("sluice_batch_events_max", "How many events a request may carry now.", labels,
              number(counters.batch_events_max));
  page->histogram("sluice_send_duration_seconds", "From a request to its answer.", labels,
                  counters.send_duration.snapshot());
  page->histogram("sluice_delivery_commit_duration_seconds",
                  "What a synced write of positions took.", labels,
                  counters.commit_duration.snapshot());
  page->histogram("sluice_delivery_lag_seconds",
                  "From when an event was fetched until Fluentd acknowledged it.", labels,
                  counters.delivery_lag.snapshot());
  page->histogram("sluice_end_to_end_lag_seconds",
                  "From an event's own time until Fluentd acknowledged it.", labels,
                  counters.end_to_end_lag.snapshot());
  page->counter("sluice_sent_bytes_total",
                "Bytes of events in requests, before they are packed, and what is sent again "
                "included.",
                labels, number(counters.sent_bytes));
  page->gauge("sluice_backlog_events", "Events in the queue that are not accounted for yet.",
              labels, number(state.backlog));
  if (counters.sent_events > 0) {
    page->gauge("sluice_backlog_bytes",
                "About how many bytes they have, by the mean size of what was sent.", labels,
                number(state.backlog) * number(counters.sent_bytes) / number(counters.sent_events));
  }
  const std::int64_t now = to_unix_ms(clock_->now());
  page->gauge("sluice_backlog_oldest_age_seconds",
              "For how long the oldest event of the backlog has been in the queue; 0: there is "
              "none.",
              labels, state.oldest_ms ? std::max(0.0, seconds(now - *state.oldest_ms)) : 0);
  page->gauge("sluice_position", "All events up to this number are accounted for.", labels,
              number(state.progress.position));
  queue::fill_ledger(lane,
                     {{"acknowledged", state.ledger.acknowledged},
                      {"dead", state.ledger.dead},
                      {"skipped", state.ledger.skipped},
                      {"gap", state.ledger.gap}},
                     page);
  page->gauge("sluice_unaccounted_events",
              "What is missing from: fetched = acknowledged + dead + skipped + gap + backlog. 0 "
              "unless something is wrong.",
              labels, static_cast<double>(state.unaccounted));
  page->gauge("sluice_dead_letters", "Dead letters that are kept.", labels,
              number(state.letters.count));
  page->gauge("sluice_dead_letter_bytes", "Their bytes.", labels, number(state.letters.bytes));
}

}  // namespace sluice::shipper
