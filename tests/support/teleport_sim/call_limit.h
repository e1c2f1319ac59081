// How many calls a client may make in a second. Teleport limits each client (what is above the
// limit ends with ResourceExhausted, reference/teleport.md §3.5); tests have one. Thread-safe.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CALL_LIMIT_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CALL_LIMIT_H_

#include <chrono>
#include <cstdint>
#include <mutex>

namespace sluice::teleport_sim {

class CallLimit {
 public:
  // 0: no limit.
  void set(std::uint32_t per_second) {
    const std::lock_guard lock(mutex_);
    per_second_ = per_second;
  }

  // Whether one more call is within the limit.
  bool take() {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      taken_ = 0;
    }
    return ++taken_ <= per_second_ || per_second_ == 0;
  }

 private:
  std::mutex mutex_;
  std::uint32_t per_second_ = 0;
  std::uint32_t taken_ = 0;
  std::chrono::steady_clock::time_point second_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CALL_LIMIT_H_
