#include "shipper/shipper_metrics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/process_metrics.h"

namespace sluice::shipper {
namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

// As LaneCounters::answers has them.
constexpr std::array<const char*, LaneCounters::kAnswerKinds> kAnswerNames = {"none", "1xx", "2xx",
                                                                              "3xx",  "4xx", "5xx"};

}  // namespace

ShipperMetrics::ShipperMetrics(const Config* config, const Clock* clock,
                               const queue::PerLane<LaneCounters>* counters,
                               std::function<queue::SinkReport()> sink_report)
    : config_(config),
      clock_(clock),
      counters_(counters),
      sink_report_(std::move(sink_report)) {}

void ShipperMetrics::tick(const queue::DeliveryStore& store,
                          const queue::PerLane<queue::Seq>& durable,
                          const queue::PerLane<std::optional<std::int64_t>>& oldest_ms) {
  queue::PerLane<LaneState> lanes;
  for (const queue::Lane lane : queue::kLanes) {
    lanes[lane] = {.progress = store.progress(lane),
                   .letters = store.dead_letters(lane),
                   .durable = durable[lane],
                   .oldest_ms = oldest_ms[lane]};
  }
  const std::lock_guard lock(mutex_);
  lanes_ = std::move(lanes);
  waits_for_.clear();
}

void ShipperMetrics::begin_wait(std::string why) {
  const std::lock_guard lock(mutex_);
  waits_for_ = std::move(why);
}

std::string ShipperMetrics::why_not_ready() const {
  const std::lock_guard lock(mutex_);
  return waits_for_;
}

void ShipperMetrics::fill(MetricsPage* page) const {
  fill_process_metrics("shipper", *config_, page);
  for (const auto& certificate : sink_report_().certificates) {
    page->gauge("sluice_certificate_expiry_timestamp_seconds",
                "When a certificate towards Fluentd ends, as unix time.",
                {{"whose", certificate.whose}}, seconds(certificate.ends_ms));
  }
  const std::lock_guard lock(mutex_);
  for (const queue::Lane lane : queue::kLanes) {
    fill_lane(lane, lanes_ ? (*lanes_)[lane] : LaneState{}, page);
  }
}

void ShipperMetrics::fill_lane(queue::Lane lane, const LaneState& state, MetricsPage* page) const {
  const MetricsPage::Labels labels = {{"lane", std::string(queue::name_of(lane))}};
  const LaneCounters& counters = (*counters_)[lane];
  page->counter("sluice_shipped_events_total", "Events that Fluentd has acknowledged.", labels,
                number(counters.acknowledged));
  page->counter("sluice_dead_lettered_events_total",
                "Events that became dead letters, because Fluentd will never take them.", labels,
                number(counters.set_aside));
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
  const std::uint64_t accounted = state.progress.position + state.progress.completed_count();
  page->gauge("sluice_backlog_events", "Events in the queue that are not accounted for yet.",
              labels, number(state.durable > accounted ? state.durable - accounted : 0));
  const std::int64_t now = to_unix_ms(clock_->now());
  page->gauge("sluice_backlog_oldest_age_seconds",
              "For how long the oldest event of the backlog has been in the queue; 0: there is "
              "none.",
              labels, state.oldest_ms ? std::max(0.0, seconds(now - *state.oldest_ms)) : 0);
  page->gauge("sluice_position", "All events up to this number are accounted for.", labels,
              number(state.progress.position));
  page->gauge("sluice_dead_letters", "Dead letters that are kept.", labels,
              number(state.letters.count));
  page->gauge("sluice_dead_letter_bytes", "Their bytes.", labels, number(state.letters.bytes));
}

}  // namespace sluice::shipper
