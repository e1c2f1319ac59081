// What time it is at Teleport at least, as its own events prove it.
//
// An event cannot be received before it happened, so each one that comes proves how late it was at
// Teleport at that moment, and the monotonic clock carries that on. Our own wall clock may be wrong
// in either direction: it only ever lowers the answer, which keeps an event from a host whose clock
// is ahead from moving it into the future. Thread-safe.
#ifndef SLUICE_FETCHER_SOURCE_TELEPORT_CLOCK_H_
#define SLUICE_FETCHER_SOURCE_TELEPORT_CLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "common/time.h"

namespace sluice::fetcher {

class TeleportClock {
 public:
  // One moment by both our clocks.
  struct Moment {
    std::chrono::milliseconds monotonic{};
    std::int64_t wall_ms = 0;  // unix time
  };

  // `clock` must outlive it.
  explicit TeleportClock(const Clock& clock) : clock_(clock) {}

  Moment moment() const { return {clock_.monotonic(), to_unix_ms(clock_.now())}; }

  // An event of this time has just been received.
  void saw(Timestamp time);

  // Unix time that it certainly was at Teleport at `moment`. Nothing: no event was seen yet.
  std::optional<std::int64_t> at_least_ms(const Moment& moment) const;

 private:
  const Clock& clock_;
  // The most that an event's time was ahead of the monotonic clock.
  std::atomic<std::int64_t> ahead_ms_ = INT64_MIN;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_TELEPORT_CLOCK_H_
