#include "shipper/retry_gate.h"

#include <algorithm>

namespace sluice::shipper {

using std::chrono::milliseconds;

bool RetryGate::may_send(milliseconds now) const {
  return open_ || (!probe_ && now >= next_probe_);
}

std::optional<milliseconds> RetryGate::wait(milliseconds now) const {
  if (open_ || probe_ || now >= next_probe_) return std::nullopt;
  return next_probe_ - now;
}

void RetryGate::sent(std::uint64_t request_id) {
  if (!open_) probe_ = request_id;
}

bool RetryGate::failed(std::uint64_t request_id, milliseconds now, milliseconds wait_min) {
  const bool was_probe = probe_ == request_id;
  if (was_probe) probe_.reset();
  const bool counts = open_ || was_probe;
  if (counts) {
    next_probe_ = now + std::max(backoff_.next(), wait_min);
  } else {
    next_probe_ = std::max(next_probe_, now + wait_min);
  }
  open_ = false;
  return counts;
}

void RetryGate::served() {
  probe_.reset();
  open_ = true;
  backoff_.reset();
}

void RetryGate::try_at_once() {
  next_probe_ = milliseconds{0};
  backoff_.reset();
}

void RetryGate::inconclusive(std::uint64_t request_id) {
  if (probe_ == request_id) probe_.reset();
}

}  // namespace sluice::shipper
