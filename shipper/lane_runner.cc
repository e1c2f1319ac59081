#include "shipper/lane_runner.h"

#include <string>
#include <utility>

#include "common/heartbeat.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

LaneParts with_transport(LaneParts parts, fluentd::Transport* transport) {
  parts.transport = transport;
  return parts;
}

}  // namespace

LaneRunner::LaneRunner(const LaneOptions& options, LaneParts parts,
                       const queue::LaneProgress& progress,
                       std::unique_ptr<fluentd::Transport> transport, FinishOptions finish,
                       std::function<void()> on_end)
    : lane_(options.lane),
      transport_(std::move(transport)),
      shipper_(options, with_transport(parts, transport_.get()), progress),
      finish_(std::move(finish)),
      on_end_(std::move(on_end)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

LaneRunner::~LaneRunner() { stop(); }

void LaneRunner::wake() { transport_->wake(); }

void LaneRunner::stop() {
  thread_.request_stop();
  transport_->wake();
}

void LaneRunner::join() {
  if (thread_.joinable()) thread_.join();
}

milliseconds LaneRunner::patience() const {
  const bool may_wait = result_ || result_.error().kind == ErrorKind::kEpochChanged;
  return may_wait ? finish_.patience : kFinishPatience;
}

void LaneRunner::run(const std::stop_token& stop) {
  {
    Heartbeat heartbeat("lane " + std::string(queue::name_of(lane_)));
    while (result_ && !stop.stop_requested()) {
      heartbeat.beat();
      result_ = shipper_.step();
    }
  }
  const auto finished = shipper_.finish(patience(), finish_.hurry);
  // A commit that fails now weighs more than the reason why the lane ended.
  if (!finished) result_ = finished;
  on_end_();
}

}  // namespace sluice::shipper
