// The shipper's own path at work on a queue that was filled beforehand: reader, lane, bodies,
// transport, synced completions. For processes of their own (child.h).
#ifndef SLUICE_TESTS_BENCH_SHIPPING_H_
#define SLUICE_TESTS_BENCH_SHIPPING_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "common/config.h"
#include "common/error.h"
#include "shipper/generation.h"
#include "shipper/lane_counters.h"
#include "shipper/lane_log.h"
#include "shipper/status_line.h"
#include "tests/bench/child.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

// How events are sent.
struct Way {
  const char* name;
  BodyForm body;
  std::uint32_t connections;
  bool adaptive = true;
};

struct ShipPlan {
  const Setup& setup;
  queue::InstancePaths paths;
  std::filesystem::path certificates;  // empty: no TLS
  std::uint64_t events = 0;            // in the audit lane
};

// What counts: not the first moments, since connections are opened one after the other.
struct Window {
  double before_seconds = 0.7;
  double seconds = 1.5;
};

// In a process of its own.
Result<void> fill_queue_in_child(const ShipPlan& plan);

// The shipper at work on the whole backlog, from its first event on.
class Shipping {
 public:
  static Result<std::unique_ptr<Shipping>> start(const ShipPlan& plan, const Way& way, int port);

  std::uint64_t acknowledged() const { return counters_[queue::Lane::kAudit].acknowledged; }

  // Returns when so many are, or after so long. The shipper's error, if it ended with one.
  Result<void> wait_for(std::uint64_t acknowledged_min, double seconds) const;

 private:
  explicit Shipping(Config config);
  Result<void> open();

  const Config config_;
  queue::PerLane<shipper::LaneCounters> counters_;
  shipper::LaneLog audit_log_;
  shipper::LaneLog session_log_;
  shipper::StatusLine status_;
  std::unique_ptr<shipper::Generation> generation_;
  std::string why_;
  std::atomic<bool> has_ended_ = false;
  std::jthread running_;
};

// What the daemon's main() does first.
void be_a_shipper();

// The work of a child: ships to `port`, and sends "rate" (events a second), "processor"
// (microseconds an event) and "memory" (MiB at most).
Result<void> ship_for_a_while(const ShipPlan& plan, const Way& way, int port, const Window& window,
                              const Parent& parent);

// Of a child that serves, which sends its port.
Result<int> port_of(Child* server);
Result<void> end(Child* server);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_SHIPPING_H_
