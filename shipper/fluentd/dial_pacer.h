// Keeps the opening of new connections apart in time: a server with several workers gives
// connections that arrive at once to one of them.
//
// One thread. The caller brings the time, which is never negative.
#ifndef SLUICE_SHIPPER_FLUENTD_DIAL_PACER_H_
#define SLUICE_SHIPPER_FLUENTD_DIAL_PACER_H_

#include <algorithm>
#include <chrono>

namespace sluice::shipper::fluentd {

class DialPacer {
 public:
  explicit DialPacer(std::chrono::milliseconds interval) : interval_(interval) {}

  // True: open it now, and this is counted. False: not before `wait(now)` has passed.
  bool try_dial(std::chrono::milliseconds now) {
    if (now < next_) return false;
    next_ = now + interval_;
    return true;
  }

  std::chrono::milliseconds wait(std::chrono::milliseconds now) const {
    return std::max(next_ - now, std::chrono::milliseconds{0});
  }

 private:
  std::chrono::milliseconds interval_;
  std::chrono::milliseconds next_{0};
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_DIAL_PACER_H_
