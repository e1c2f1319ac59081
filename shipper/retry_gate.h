// Decides when a lane may send while the sink as a whole does not take anything.
//
// Open: the lane may send. A failure that may concern the whole sink closes it; then only one
// request at a time is sent, the probe, after a wait that grows with each failed probe. Any answer
// that shows the sink at work opens it again. So a dead Fluentd costs one request each wait.
//
// One thread. The caller brings the time (Clock::monotonic()).
#ifndef SLUICE_SHIPPER_RETRY_GATE_H_
#define SLUICE_SHIPPER_RETRY_GATE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/backoff.h"

namespace sluice::shipper {

class RetryGate {
 public:
  explicit RetryGate(Backoff backoff) : backoff_(backoff) {}

  bool is_open() const { return open_; }

  // Whether the next request may be sent now; if the gate is closed it will be the probe.
  bool may_send(std::chrono::milliseconds now) const;
  // How long until may_send() can become true by itself; nothing: it already is, or waits for the
  // probe's answer.
  std::optional<std::chrono::milliseconds> wait(std::chrono::milliseconds now) const;

  // To be told of every request that is sent, and of every answer.
  void sent(std::uint64_t request_id);
  // `wait_min`: not earlier than this, because the sink said so or because the cause will not pass
  // quickly. True: it counts; requests that were under way when the gate closed fail for the same
  // cause and count once.
  bool failed(std::uint64_t request_id, std::chrono::milliseconds now,
              std::chrono::milliseconds wait_min);
  void served();
  // The next probe is another's, of which nothing is known: it may go at once, and waits begin
  // anew.
  void try_at_once();
  // A failure of one batch alone says nothing of the sink, but ends the probe if it was that.
  void inconclusive(std::uint64_t request_id);

 private:
  Backoff backoff_;
  bool open_ = true;
  std::chrono::milliseconds next_probe_{0};
  std::optional<std::uint64_t> probe_;  // under way
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_RETRY_GATE_H_
