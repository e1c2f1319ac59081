// How long to wait before something that failed is tried again.
#ifndef SLUICE_COMMON_BACKOFF_H_
#define SLUICE_COMMON_BACKOFF_H_

#include <chrono>
#include <cstdint>
#include <stop_token>

namespace sluice {

// A seed that differs between processes and objects.
std::uint64_t random_seed();

// Decorrelated jitter: each wait is random between the base and three times the wait before it, and
// never above the cap. So many clients that failed at the same moment do not come back at the same
// moment. Copyable, no thread-safety of its own.
class Backoff {
 public:
  // A base below 1 ms counts as 1 ms, a cap below the base as the base. The same seed gives the
  // same waits.
  Backoff(std::chrono::milliseconds base, std::chrono::milliseconds cap,
          std::uint64_t seed = random_seed());

  // The next wait, in [base, cap]. The first after construction or reset() is in [base, 3 base].
  std::chrono::milliseconds next();

  // To be called after a success.
  void reset();

 private:
  std::chrono::milliseconds base_;
  std::chrono::milliseconds cap_;
  std::chrono::milliseconds last_;
  std::uint64_t random_state_;  // few bytes, since each batch under way has a Backoff
};

// Waits, and wakes at once when `stop` is requested. False if it was, before or during the wait.
bool sleep_for(const std::stop_token& stop, std::chrono::milliseconds duration);

}  // namespace sluice

#endif  // SLUICE_COMMON_BACKOFF_H_
