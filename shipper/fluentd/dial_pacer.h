// Keeps the opening of new connections apart in time: a server with several workers gives
// connections that arrive at once to one of them.
//
// One thread. The caller brings the time.
#ifndef SLUICE_SHIPPER_FLUENTD_DIAL_PACER_H_
#define SLUICE_SHIPPER_FLUENTD_DIAL_PACER_H_

#include <chrono>
#include <optional>

namespace sluice::shipper::fluentd {

class DialPacer {
 public:
  explicit DialPacer(std::chrono::milliseconds interval) : interval_(interval) {}

  // True: open it now, and this is counted. False: not before `wait(now)` has passed.
  bool try_dial(std::chrono::milliseconds now) {
    if (wait(now).count() > 0) return false;
    last_ = now;
    return true;
  }

  std::chrono::milliseconds wait(std::chrono::milliseconds now) const {
    if (!last_ || now - *last_ >= interval_) return std::chrono::milliseconds{0};
    return interval_ - (now - *last_);
  }

 private:
  std::chrono::milliseconds interval_;
  std::optional<std::chrono::milliseconds> last_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_DIAL_PACER_H_
