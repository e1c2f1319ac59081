#include "fetcher/lock/failed_logins.h"

#include <algorithm>

namespace sluice::fetcher {

bool FailedLogins::note(const std::string& user, Timestamp time) {
  if (times_ms_.size() >= kUsersMax && !times_ms_.contains(user)) forget_somebody();
  std::deque<std::int64_t>& times = times_ms_[user];
  const std::int64_t at_ms = to_unix_ms(time);
  // Events of several chunks may come in any order.
  times.insert(std::upper_bound(times.begin(), times.end(), at_ms), at_ms);
  if (times.size() > std::size_t{attempts_max_} + 1) times.pop_front();
  // Those that were kept are the latest ones.
  return times.size() == std::size_t{attempts_max_} + 1 &&
         times.back() - times.front() < period_ms_;
}

void FailedLogins::forget_somebody() {
  const auto idle = std::min_element(
      times_ms_.begin(), times_ms_.end(),
      [](const auto& a, const auto& b) { return a.second.back() < b.second.back(); });
  times_ms_.erase(idle);
}

}  // namespace sluice::fetcher
