// One lane at work: its thread, its transport and its LaneShipper.
//
// Threads: one thread makes, stops, joins and destroys it; wake() may be called from any.
// `on_end` is called on the lane's thread, once, when the lane ends by itself or has been stopped.
#ifndef SLUICE_SHIPPER_LANE_RUNNER_H_
#define SLUICE_SHIPPER_LANE_RUNNER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <thread>

#include "common/error.h"
#include "queue/types.h"
#include "shipper/fluentd/transport.h"
#include "shipper/lane_shipper.h"

namespace sluice::shipper {

// How long a lane that ends waits for the answers under way.
struct FinishOptions {
  // When a new epoch ends it, or stop(). Not below the time that a request may take: what is
  // dropped before its answer comes is sent again, and a sink slower than this would get it without
  // end.
  std::chrono::milliseconds patience = kFinishPatience;
  // Once requested, and after any other error, kFinishPatience is enough.
  std::stop_token hurry = {};
};

class LaneRunner {
 public:
  // `parts.transport` is set here; the others must outlive the runner.
  LaneRunner(const LaneOptions& options, LaneParts parts, const queue::LaneProgress& progress,
             std::unique_ptr<fluentd::Transport> transport, FinishOptions finish,
             std::function<void()> on_end);
  // Stops and joins.
  ~LaneRunner();
  LaneRunner(const LaneRunner&) = delete;
  LaneRunner& operator=(const LaneRunner&) = delete;

  // There may be something new to read.
  void wake();
  // Asks the lane to end after the answers under way; returns at once.
  void stop();
  // Waits for the end.
  void join();
  // After join(). Success: the lane was stopped, and all answers that came are committed.
  const Result<void>& result() const { return result_; }

 private:
  void run(const std::stop_token& stop);
  std::chrono::milliseconds patience() const;

  const queue::Lane lane_;
  std::unique_ptr<fluentd::Transport> transport_;
  LaneShipper shipper_;
  FinishOptions finish_;
  std::function<void()> on_end_;
  Result<void> result_;
  std::jthread thread_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_LANE_RUNNER_H_
