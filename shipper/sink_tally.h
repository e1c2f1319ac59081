// How many events have been sent to the sink and answered with success, by everybody in this
// process who ships: held against what the sink itself has counted.
//
// Thread-safe; the numbers that read() gives are of one moment.
#ifndef SLUICE_SHIPPER_SINK_TALLY_H_
#define SLUICE_SHIPPER_SINK_TALLY_H_

#include <cstdint>
#include <mutex>

namespace sluice::shipper {

struct Tally {
  std::uint64_t answered = 0;   // events of requests that were answered with 2xx
  std::uint64_t in_flight = 0;  // events of requests that are not answered yet
  std::uint64_t failures = 0;   // requests that ended without any answer
};

class SinkTally {
 public:
  void sent(std::uint64_t events) {
    const std::lock_guard lock(mutex_);
    tally_.in_flight += events;
  }
  // `events` of a request that was sent, and is now answered with 2xx.
  void accepted(std::uint64_t events) {
    const std::lock_guard lock(mutex_);
    tally_.in_flight -= events;
    tally_.answered += events;
  }
  // It has ended otherwise.
  void refused(std::uint64_t events, bool without_answer) {
    const std::lock_guard lock(mutex_);
    tally_.in_flight -= events;
    if (without_answer) ++tally_.failures;
  }
  Tally read() const {
    const std::lock_guard lock(mutex_);
    return tally_;
  }

 private:
  mutable std::mutex mutex_;
  Tally tally_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_SINK_TALLY_H_
