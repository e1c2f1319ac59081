// Which of several URLs a lane sends to.
//
// The first is preferred. Requests go to one URL at a time. Once it has failed kFailoverTriesMax
// times in a row, which the retry gate spaces, the next one is tried; in an outage of all of them
// the lane goes round, with one try each after the first round. While another than the preferred
// one is used, a request goes to that one now and then; when it is served, so are all that follow.
//
// A failure is one of the sink as a whole: it cannot be reached, answers in no time, or answers 5xx
// or as a wrong configuration does. Bounded: it keeps nothing for each URL. One thread. Times are
// Clock::monotonic().
#ifndef SLUICE_SHIPPER_FAILOVER_H_
#define SLUICE_SHIPPER_FAILOVER_H_

#include <chrono>
#include <cstddef>

namespace sluice::shipper {

inline constexpr unsigned kFailoverTriesMax = 3;
// How soon the preferred URL is tried again; twice as long after each failure, and at most the
// second.
inline constexpr std::chrono::milliseconds kReturnWaitMin{60'000};
inline constexpr std::chrono::milliseconds kReturnWaitMax{600'000};

class Failover {
 public:
  explicit Failover(std::size_t urls) : urls_(urls) {}

  std::size_t current() const { return current_; }
  // Every URL has failed as often as it may since one was served. Of a single URL that is always
  // so: nothing can be hoped for from another.
  bool has_tried_all() const { return given_up_ >= urls_ || urls_ == 1; }

  // Where a request goes that is sent now: to current(), or to the preferred URL to try it.
  // `may_try`: whether it may be that one.
  std::size_t choose(bool may_try, std::chrono::milliseconds now);

  // What came of a request that was sent to `url`. True: current() is another one now.
  bool failed(std::size_t url, std::chrono::milliseconds now);
  bool served(std::size_t url);

 private:
  const std::size_t urls_;
  std::size_t current_ = 0;
  unsigned failures_ = 0;     // of the current one in a row
  std::size_t given_up_ = 0;  // URLs in a row
  bool is_trying_ = false;    // a request to the preferred one is under way
  std::chrono::milliseconds return_wait_ = kReturnWaitMin;
  std::chrono::milliseconds next_return_{0};
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_FAILOVER_H_
