#include "shipper/status_line.h"

#include <fmt/format.h>

#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"

namespace sluice::shipper {
namespace {

constexpr std::chrono::milliseconds kInterval{60'000};

}  // namespace

std::string describe_drained(const queue::LaneProgress& audit, const queue::LaneProgress& session) {
  return fmt::format("everything in the queue is accounted for: {} acknowledged, {} dead letters",
                     audit.acknowledged + session.acknowledged, audit.dead + session.dead);
}

StatusLine::StatusLine(const queue::PerLane<LaneCounters>* counters, const Clock& clock)
    : counters_(counters), clock_(clock), last_(clock.monotonic()) {}

void StatusLine::tick(const queue::DeliveryStore& store,
                      const queue::PerLane<queue::Seq>& durable) {
  const auto now = clock_.monotonic();
  if (now - last_ < kInterval) return;
  last_ = now;
  std::string line;
  for (const queue::Lane lane : queue::kLanes) {
    if (!line.empty()) line += "; ";
    line += describe(lane, store.progress(lane), durable[lane]);
  }
  log_message(message::kShipperStatus, {}, "{}", line);
  notify_status(line);
}

std::string StatusLine::describe(queue::Lane lane, const queue::LaneProgress& progress,
                                 queue::Seq durable) {
  const LaneCounters& counters = (*counters_)[lane];
  const std::uint64_t acknowledged = counters.acknowledged;
  const std::uint64_t in_last_minute = acknowledged - acknowledged_before_[lane];
  acknowledged_before_[lane] = acknowledged;
  const std::uint64_t accounted = progress.position + progress.completed_count();
  return fmt::format(
      "lane {}: position {} of {}, {} waiting, {} acknowledged in the last minute, {} dead "
      "letters, "
      "{} failed requests, {} events sent again, at most {} requests of {} events at once",
      queue::name_of(lane), progress.position, durable,
      durable > accounted ? durable - accounted : 0, in_last_minute, progress.dead,
      counters.requests_failed.load(), counters.resent_unknown + counters.resent_hidden,
      counters.requests_at_once_max.load(), counters.batch_events_max.load());
}

}  // namespace sluice::shipper
