#include "fetcher/source/teleport_clock.h"

#include <algorithm>

namespace sluice::fetcher {

void TeleportClock::saw(Timestamp time) {
  const Moment now = moment();
  const std::int64_t ahead = std::min(to_unix_ms(time), now.wall_ms) - now.monotonic.count();
  std::int64_t known = ahead_ms_;
  while (known < ahead && !ahead_ms_.compare_exchange_weak(known, ahead)) {
  }
}

std::optional<std::int64_t> TeleportClock::at_least_ms(const Moment& moment) const {
  const std::int64_t ahead = ahead_ms_;
  if (ahead == INT64_MIN) return std::nullopt;
  return std::min(moment.monotonic.count() + ahead, moment.wall_ms);
}

}  // namespace sluice::fetcher
