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
#include "shipper/fluentd/transport.h"
#include "shipper/lane_shipper.h"

namespace sluice::shipper {

// How long answers under way are waited for when a lane ends.
inline constexpr std::chrono::milliseconds kFinishPatience{5000};

class LaneRunner {
 public:
  // `parts.transport` is set here; the others must outlive the runner.
  LaneRunner(const LaneOptions& options, LaneParts parts, const queue::LaneProgress& progress,
             std::unique_ptr<fluentd::Transport> transport, std::function<void()> on_end);
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

  std::unique_ptr<fluentd::Transport> transport_;
  LaneShipper shipper_;
  std::function<void()> on_end_;
  Result<void> result_;
  std::jthread thread_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_LANE_RUNNER_H_
