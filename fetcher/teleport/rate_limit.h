// Spaces calls out so that no more than a given number begins in a second.
//
// Thread-safe: each caller gets the next moment that is free.
#ifndef SLUICE_FETCHER_TELEPORT_RATE_LIMIT_H_
#define SLUICE_FETCHER_TELEPORT_RATE_LIMIT_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "common/time.h"

namespace sluice::fetcher {

class RateLimit {
 public:
  // 0: no limit. `clock` must outlive it.
  RateLimit(std::uint32_t per_second, const Clock& clock);

  // Until it is the caller's turn. False: asked to stop before.
  bool wait(const std::stop_token& stop);

  // When the caller's turn is, by the monotonic clock; takes that turn.
  std::chrono::microseconds take();

 private:
  const std::chrono::microseconds interval_;
  const Clock& clock_;
  std::mutex mutex_;
  std::chrono::microseconds next_{};
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_RATE_LIMIT_H_
