// How many events may be sent now, so that there are at most `rate` a second.
//
// What is not used is kept for a second at most. One thread. The caller brings the time
// (Clock::monotonic()).
#ifndef SLUICE_SHIPPER_REPLAY_RATE_LIMIT_H_
#define SLUICE_SHIPPER_REPLAY_RATE_LIMIT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice::shipper {

class RateLimit {
 public:
  // 0: no limit.
  RateLimit(std::uint64_t rate, std::chrono::milliseconds now) : rate_(rate), last_(now) {}

  std::size_t available(std::chrono::milliseconds now);
  // Not more than are available.
  void take(std::size_t events);

 private:
  std::uint64_t rate_;
  std::chrono::milliseconds last_;
  std::uint64_t thousandths_ = 0;  // of events that may be sent
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REPLAY_RATE_LIMIT_H_
