// A clock that stands still until a test moves it. Not thread-safe.
#ifndef SLUICE_TESTS_UNIT_COMMON_FAKE_CLOCK_H_
#define SLUICE_TESTS_UNIT_COMMON_FAKE_CLOCK_H_

#include <chrono>

#include "common/time.h"

namespace sluice {

class FakeClock final : public Clock {
 public:
  Timestamp now() const override { return from_unix_ms(elapsed_.count()); }
  std::chrono::milliseconds monotonic() const override { return elapsed_; }
  void advance(std::chrono::milliseconds duration) { elapsed_ += duration; }

 private:
  std::chrono::milliseconds elapsed_{0};
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_COMMON_FAKE_CLOCK_H_
