#include "shipper/failover.h"

#include <algorithm>

namespace sluice::shipper {

using std::chrono::milliseconds;

std::size_t Failover::choose(bool may_try, milliseconds now) {
  if (current_ == 0 || is_trying_ || !may_try || now < next_return_) return current_;
  is_trying_ = true;
  return 0;
}

bool Failover::failed(std::size_t url, milliseconds now) {
  if (url == 0 && is_trying_) {
    is_trying_ = false;
    return_wait_ = std::min(2 * return_wait_, kReturnWaitMax);
    next_return_ = now + return_wait_;
    return false;
  }
  // Late news of one that was given up.
  if (url != current_) return false;
  ++failures_;
  if (urls_ == 1 || failures_ < (has_tried_all() ? 1 : kFailoverTriesMax)) return false;
  if (current_ == 0) next_return_ = now + return_wait_;
  current_ = (current_ + 1) % urls_;
  failures_ = 0;
  ++given_up_;
  return true;
}

bool Failover::served(std::size_t url) {
  const bool is_back = url == 0 && is_trying_ && current_ != 0;
  if (url == current_ || is_back) {
    failures_ = 0;
    given_up_ = 0;
  }
  if (url == 0) is_trying_ = false;
  if (!is_back) return false;
  return_wait_ = kReturnWaitMin;
  current_ = 0;
  return true;
}

}  // namespace sluice::shipper
