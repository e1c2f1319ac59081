// Keeps what all lanes and replays send together below a rate, and gives each its turn.
//
// Whoever sends is told when it may send again: once what was sent before, its own and that of the
// others, has had its time. So the live lanes and the replays take turns, request by request, and
// one that was idle need not wait for what others have sent already. A request always goes whole,
// however large it is; what comes next waits longer for it.
//
// Threads: any. Times are Clock::monotonic().
#ifndef SLUICE_SHIPPER_SEND_RATE_H_
#define SLUICE_SHIPPER_SEND_RATE_H_

#include <chrono>
#include <cstdint>
#include <mutex>

namespace sluice::shipper {

class SendRate {
 public:
  // Each in a second; 0: no limit.
  SendRate(std::uint64_t events_max, std::uint64_t bytes_max)
      : events_max_(events_max), bytes_max_(bytes_max) {}

  // A request with that much goes out now. Returns when the same sender may send the next one.
  std::chrono::milliseconds sent(std::uint64_t events, std::uint64_t bytes,
                                 std::chrono::milliseconds now);

 private:
  const std::uint64_t events_max_;
  const std::uint64_t bytes_max_;
  std::mutex mutex_;
  std::chrono::nanoseconds free_at_{0};  // when all that was sent has had its time
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_SEND_RATE_H_
