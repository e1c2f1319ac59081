// A clock that a test moves while other threads read it.
#ifndef SLUICE_TESTS_UNIT_FETCHER_STEERED_CLOCK_H_
#define SLUICE_TESTS_UNIT_FETCHER_STEERED_CLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "common/time.h"

namespace sluice::fetcher {

class SteeredClock final : public Clock {
 public:
  explicit SteeredClock(Timestamp now) : start_ms_(to_unix_ms(now)) {}
  Timestamp now() const override { return from_unix_ms(start_ms_ + elapsed_ms_); }
  std::chrono::milliseconds monotonic() const override {
    return std::chrono::milliseconds(elapsed_ms_);
  }
  void advance(std::chrono::milliseconds duration) { elapsed_ms_ += duration.count(); }

 private:
  const std::int64_t start_ms_;
  std::atomic<std::int64_t> elapsed_ms_ = 0;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_TESTS_UNIT_FETCHER_STEERED_CLOCK_H_
