#include "shipper/send_rate.h"

#include <algorithm>

namespace sluice::shipper {
namespace {

using std::chrono::nanoseconds;

// The largest request, 128 MiB, is well within the type.
nanoseconds time_for(std::uint64_t amount, std::uint64_t per_second) {
  if (per_second == 0) return nanoseconds{0};
  return nanoseconds{amount * std::nano::den / per_second};
}

}  // namespace

std::chrono::milliseconds SendRate::sent(std::uint64_t events, std::uint64_t bytes,
                                         std::chrono::milliseconds now) {
  const nanoseconds time = std::max(time_for(events, events_max_), time_for(bytes, bytes_max_));
  if (time.count() == 0) return now;
  const std::lock_guard lock(mutex_);
  free_at_ = std::max(free_at_, nanoseconds{now}) + time;
  return std::chrono::ceil<std::chrono::milliseconds>(free_at_);
}

}  // namespace sluice::shipper
