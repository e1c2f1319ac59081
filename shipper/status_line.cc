#include "shipper/status_line.h"

#include <fmt/format.h>

#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"

namespace sluice::shipper {
namespace {

constexpr std::chrono::milliseconds kLineInterval{60'000};
constexpr std::chrono::milliseconds kStatusInterval{5'000};

std::uint64_t count_waiting(const queue::LaneProgress& progress, queue::Seq durable) {
  const std::uint64_t accounted = progress.position + progress.completed_count();
  return durable > accounted ? durable - accounted : 0;
}

std::string to_second(std::int64_t unix_ms) {
  return format_rfc3339({from_unix_ms(unix_ms).seconds, 0});
}

// Describes each lane, in one line.
template <typename Describe>
std::string join_lanes(const Describe& describe) {
  return describe(queue::Lane::kAudit) + "; " + describe(queue::Lane::kSession);
}

}  // namespace

std::string describe_drained(const queue::LaneProgress& audit, const queue::LaneProgress& session) {
  return fmt::format("everything in the queue is accounted for: {} acknowledged, {} dead letters",
                     audit.acknowledged + session.acknowledged, audit.dead + session.dead);
}

std::string describe_backlog(queue::Lane lane, const queue::LaneProgress& progress,
                             queue::Seq durable, std::optional<std::int64_t> oldest_ms) {
  const std::uint64_t waiting = count_waiting(progress, durable);
  const std::int64_t last_ms = progress.acknowledged_at_ms;
  return fmt::format("lane {}: {} waiting{}, {} dead letters, last acknowledged: {}",
                     queue::name_of(lane), waiting,
                     waiting > 0 && oldest_ms ? " since " + to_second(*oldest_ms) : "",
                     progress.dead, last_ms == 0 ? "never" : to_second(last_ms));
}

StatusLine::StatusLine(const queue::PerLane<LaneCounters>* counters, const Clock& clock)
    : counters_(counters), clock_(clock), next_line_(clock.monotonic() + kLineInterval) {}

void StatusLine::tick(const queue::DeliveryStore& store, const queue::PerLane<queue::Seq>& durable,
                      const queue::PerLane<std::optional<std::int64_t>>& oldest_ms) {
  const auto now = clock_.monotonic();
  if (now >= next_status_) {
    next_status_ = now + kStatusInterval;
    notify_status(join_lanes([&](queue::Lane lane) {
      return describe_backlog(lane, store.progress(lane), durable[lane], oldest_ms[lane]);
    }));
  }
  if (now < next_line_) return;
  next_line_ = now + kLineInterval;
  log_message(message::kShipperStatus, {}, "{}", join_lanes([&](queue::Lane lane) {
                return describe(lane, store.progress(lane), durable[lane]);
              }));
}

std::string StatusLine::describe(queue::Lane lane, const queue::LaneProgress& progress,
                                 queue::Seq durable) {
  const LaneCounters& counters = (*counters_)[lane];
  const std::uint64_t acknowledged = counters.acknowledged;
  const std::uint64_t in_last_minute = acknowledged - acknowledged_before_[lane];
  acknowledged_before_[lane] = acknowledged;
  return fmt::format(
      "lane {}: position {} of {}, {} waiting, {} acknowledged in the last minute, {} dead "
      "letters, "
      "{} failed requests, {} events sent again, at most {} requests of {} events at once",
      queue::name_of(lane), progress.position, durable, count_waiting(progress, durable),
      in_last_minute, progress.dead, counters.requests_failed.load(),
      counters.resent_unknown + counters.resent_hidden, counters.requests_at_once_max.load(),
      counters.batch_events_max.load());
}

}  // namespace sluice::shipper
