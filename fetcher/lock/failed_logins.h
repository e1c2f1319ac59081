// Counts failed logins by user, to tell who has tried too often.
//
// By the events' own times, so that it does not matter when they arrive. Forgets with the process.
// Bounded: of very many users those are forgotten who have not failed for longest. One thread at a
// time.
#ifndef SLUICE_FETCHER_LOCK_FAILED_LOGINS_H_
#define SLUICE_FETCHER_LOCK_FAILED_LOGINS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "common/time.h"

namespace sluice::fetcher {

class FailedLogins {
 public:
  static constexpr std::size_t kUsersMax = 10'000;

  // More than `attempts_max` within `period` are too many.
  FailedLogins(std::uint32_t attempts_max, std::chrono::milliseconds period)
      : attempts_max_(attempts_max), period_ms_(period.count()) {}

  // Whether this one is one too many.
  bool note(const std::string& user, Timestamp time);

 private:
  void forget_somebody();

  const std::uint32_t attempts_max_;
  const std::int64_t period_ms_;
  std::map<std::string, std::deque<std::int64_t>> times_ms_;  // sorted, attempts_max_ + 1 at most
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_LOCK_FAILED_LOGINS_H_
