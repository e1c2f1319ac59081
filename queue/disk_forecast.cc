#include "queue/disk_forecast.h"

#include <algorithm>

namespace sluice::queue {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kRateSpanMinMs = 600'000;  // a shorter time says little
constexpr double kDaysMax = 36'500;               // what is further off is as good as never

std::uint64_t total(const PerLane<Seq>& numbers) {
  return numbers[Lane::kAudit] + numbers[Lane::kSession];
}

}  // namespace

std::optional<std::uint64_t> bytes_a_day(const std::vector<HistoryRow>& rows,
                                         const PerLane<Seq>& durable, const PerLane<Seq>& floor,
                                         std::uint64_t used) {
  if (rows.empty()) return std::nullopt;
  const HistoryRow& newest = rows.back();
  const auto within_a_day = [&](const HistoryRow& row) {
    return newest.time_ms - row.time_ms <= kDayMs;
  };
  const HistoryRow& first = *std::find_if(rows.begin(), rows.end(), within_a_day);
  const std::int64_t span_ms = newest.time_ms - first.time_ms;
  const std::uint64_t kept = total(durable) + kLaneCount - total(floor);
  if (span_ms < kRateSpanMinMs || kept == 0 || total(newest.durable) <= total(first.durable)) {
    return std::nullopt;
  }
  const auto events = static_cast<double>(total(newest.durable) - total(first.durable));
  const double event_bytes = static_cast<double>(used) / static_cast<double>(kept);
  return static_cast<std::uint64_t>(events * event_bytes * kDayMs / static_cast<double>(span_ms));
}

std::uint64_t trimmable_bytes(std::uint64_t used, const PerLane<Seq>& durable,
                              const PerLane<Seq>& floor, const PerLane<Seq>& position) {
  double kept = 0;
  double may_go = 0;
  for (const Lane lane : kLanes) {
    const Seq end = durable[lane] + 1;
    kept += static_cast<double>(end - floor[lane]);
    may_go += static_cast<double>(std::clamp(position[lane] + 1, floor[lane], end) - floor[lane]);
  }
  if (kept <= 0) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(used) * may_go / kept);
}

std::optional<std::chrono::milliseconds> full_in(std::optional<std::uint64_t> bytes_a_day,
                                                 std::uint64_t used, std::uint64_t trimmable,
                                                 const DiskSpace& space, const DiskPlan& plan) {
  if (!bytes_a_day || *bytes_a_day == 0) return std::nullopt;
  const std::uint64_t needed = used - std::min(trimmable, used);
  const std::uint64_t free = space.free + trimmable;
  const std::uint64_t left = plan.max_size > needed ? plan.max_size - needed : 0;
  const std::uint64_t room = free > plan.min_free ? free - plan.min_free : 0;
  const double days = static_cast<double>(std::min(left, room)) / static_cast<double>(*bytes_a_day);
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(days, kDaysMax) * kDayMs));
}

}  // namespace sluice::queue
