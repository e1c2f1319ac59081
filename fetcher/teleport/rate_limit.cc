#include "fetcher/teleport/rate_limit.h"

#include <algorithm>

#include "common/backoff.h"

namespace sluice::fetcher {

using std::chrono::microseconds;
using std::chrono::milliseconds;

RateLimit::RateLimit(std::uint32_t per_second, const Clock& clock)
    : interval_(per_second == 0 ? 0 : 1'000'000 / per_second), clock_(clock) {}

microseconds RateLimit::take() {
  const std::lock_guard lock(mutex_);
  const microseconds turn = std::max<microseconds>(next_, clock_.monotonic());
  next_ = turn + interval_;
  return turn;
}

bool RateLimit::wait(const std::stop_token& stop) {
  if (interval_.count() == 0) return !stop.stop_requested();
  const microseconds left = take() - clock_.monotonic();
  return left.count() <= 0 ? !stop.stop_requested()
                           : sleep_for(stop, std::chrono::ceil<milliseconds>(left));
}

}  // namespace sluice::fetcher
