#include "shipper/replay/replays.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "common/log.h"
#include "common/message_kinds.h"
#include "shipper/lane_counters.h"
#include "shipper/replay/replay_log.h"
#include "shipper/replay/replay_work.h"
#include "shipper/requeue/requeue_work.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

// How soon a new job begins, and how finely a rate is kept.
constexpr milliseconds kLookInterval{100};
// After a transport could not be made, for example while a certificate is being replaced.
constexpr milliseconds kStartPause{5000};

constexpr int kNiceness = 10;

// A job may look through millions of records: the live flow's threads go before it. This thread
// alone; without the right to it, nothing is lost.
void let_others_go_first() { ::setpriority(PRIO_PROCESS, 0, kNiceness); }

void log_end(const queue::ReplayJob& job) {
  const queue::ReplayProgress& progress = job.progress;
  log_message(message::kReplayEnded, {.lane = queue::name_of(job.spec.lane)},
              "replay {} is {}: {} events sent, {} refused{}{}", job.id,
              queue::name_of(progress.state), progress.sent, progress.refused,
              progress.remark.empty() ? "" : "; ", progress.remark);
}

}  // namespace

struct Replays::Running {
  Running(std::string subject, queue::Lane lane) : log(std::move(subject), lane) {}

  template <typename Work>
  void work_on(std::unique_ptr<Work> given) {
    source = given.get();
    sink = given.get();
    work = std::move(given);
  }

  bool is_limited = false;
  LaneCounters counters;
  ReplayLog log;
  std::shared_ptr<void> work;  // owns both of the next
  RecordSource* source = nullptr;
  CompletionSink* sink = nullptr;
  fluentd::Transport* transport = nullptr;  // the runner's
  std::atomic<bool> has_ended = false;
  std::unique_ptr<LaneRunner> runner;  // last, so that its thread ends before the others are gone
};

Replays::Replays(const ReplaysOptions& options)
    : options_(options),
      waiting_(message::kReplayWaits, "replays and dead letters that are sent again wait",
               *options_.clock),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Replays::~Replays() {
  stop();
  join();
}

void Replays::stop() { thread_.request_stop(); }

void Replays::join() {
  if (thread_.joinable()) thread_.join();
}

Result<void> Replays::result() const {
  const std::lock_guard lock(mutex_);
  return result_;
}

void Replays::run(const std::stop_token& stop) {
  while (!stop.stop_requested() && result()) {
    look();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, kLookInterval, [this] { return something_ended_; });
    something_ended_ = false;
  }
  std::vector<Running*> all;
  for (auto& [id, job] : running_) all.push_back(job.get());
  for (const queue::Lane lane : queue::kLanes) {
    if (requeues_[lane]) all.push_back(requeues_[lane].get());
  }
  for (Running* running : all) running->runner->stop();
  for (Running* running : all) running->runner->join();
  reap();
}

void Replays::look() {
  reap();
  if (!result()) return;
  const auto active = options_.store->active_replays();
  for (auto& [id, job] : running_) {
    const bool is_active = std::ranges::any_of(
        active, [number = id](const queue::ReplayJob& one) { return one.id == number; });
    if (!is_active) job->runner->stop();
    if (job->is_limited) job->runner->wake();
  }
  start_waiting(active);
  start_requeues();
}

bool Replays::has_ended(Running* running) {
  if (!running->has_ended) return false;
  running->runner->join();
  const Result<void>& done = running->runner->result();
  if (!done && done.error().kind != ErrorKind::kStopped) note_failure(done.error());
  return true;
}

void Replays::reap() {
  for (auto job = running_.begin(); job != running_.end();) {
    if (!has_ended(job->second.get())) {
      ++job;
      continue;
    }
    const auto now = options_.store->replay(job->first);
    if (now && !now->is_active()) log_end(*now);
    job = running_.erase(job);
  }
  for (const queue::Lane lane : queue::kLanes) {
    if (requeues_[lane] && has_ended(requeues_[lane].get())) requeues_[lane].reset();
  }
}

void Replays::start_waiting(const std::vector<queue::ReplayJob>& active) {
  if (options_.clock->monotonic() < start_again_) return;
  for (const queue::ReplayJob& job : active) {
    if (running_.size() >= queue::kReplaysAtOnce) return;
    if (!running_.contains(job.id)) start(job);
  }
}

void Replays::start(const queue::ReplayJob& job) {
  auto transport = options_.make_transport();
  if (!transport) {
    waiting_.failed(transport.error().message);
    start_again_ = options_.clock->monotonic() + kStartPause;
    return;
  }
  waiting_.succeeded();
  // What was skipped is sent only if it is named.
  auto skipped = options_.store->skipped_by_hand(job.spec.lane);
  if (!skipped) return note_failure(skipped.error());
  if (!job.spec.filter.ids.empty()) skipped->clear();
  auto fresh = std::make_unique<Running>(fmt::format("replay {}", job.id), job.spec.lane);
  Running* const running = fresh.get();
  running->is_limited = job.spec.rate != 0;
  running->work_on(std::make_unique<ReplayWork>(
      job, ReplayWorkParts{.queue = options_.source,
                           .save = [store = options_.store, id = job.id](
                                       const auto& now) { return store->save_replay(id, now); },
                           .wake = [running] { running->transport->wake(); },
                           .begin = let_others_go_first,
                           .clock = options_.clock,
                           .left_out = std::move(*skipped)}));
  LaneOptions lane = options_.lane_options(job.spec.lane);
  if (job.spec.mark) lane.stamp.replay = job.id;
  lane.lone_refusals_max = kReplayLoneRefusalsMax;
  queue::LaneProgress begin;
  begin.position = job.progress.position;
  log_message(message::kReplayBegins, {.lane = queue::name_of(job.spec.lane)},
              "replay {} {} behind number {} of lane {}, up to {}", job.id,
              job.progress.sent == 0 ? "begins" : "goes on", job.progress.position,
              queue::name_of(job.spec.lane), job.progress.last);
  running->runner = make_runner(running, std::move(lane), begin, std::move(*transport));
  running_.emplace(job.id, std::move(fresh));
}

void Replays::start_requeues() {
  for (const queue::Lane lane : queue::kLanes) {
    if (options_.clock->monotonic() < start_again_) return;
    if (!requeues_[lane] && !options_.store->requeued(lane).empty()) start_requeue(lane);
  }
}

// Each of these events was refused before, so that any number of refusals in a row is no wonder;
// they stay dead letters.
void Replays::start_requeue(queue::Lane queue_lane) {
  auto transport = options_.make_transport();
  if (!transport) {
    waiting_.failed(transport.error().message);
    start_again_ = options_.clock->monotonic() + kStartPause;
    return;
  }
  waiting_.succeeded();
  auto fresh = std::make_unique<Running>(
      fmt::format("dead letters of lane {} that are sent again", queue::name_of(queue_lane)),
      queue_lane);
  fresh->work_on(std::make_unique<RequeueWork>(queue_lane, options_.store, let_others_go_first));
  LaneOptions lane = options_.lane_options(queue_lane);
  lane.lone_refusals_max = std::numeric_limits<unsigned>::max();
  fresh->runner = make_runner(fresh.get(), std::move(lane), {}, std::move(*transport));
  requeues_[queue_lane] = std::move(fresh);
}

std::unique_ptr<LaneRunner> Replays::make_runner(Running* running, LaneOptions lane,
                                                 const queue::LaneProgress& begin,
                                                 std::unique_ptr<fluentd::Transport> transport) {
  running->transport = transport.get();
  lane.regroups = lane.connections > 1;
  lane.connections = 1;
  lane.linger = milliseconds{0};
  const LaneParts parts{.source = running->source,
                        .sink = running->sink,
                        .transport = nullptr,
                        .observer = &running->log,
                        .counters = &running->counters,
                        .clock = options_.clock,
                        .rate = options_.rate,
                        .tally = options_.tally(lane.lane)};
  return std::make_unique<LaneRunner>(lane, parts, begin, std::move(transport), options_.finish,
                                      [this, ended = &running->has_ended] {
                                        *ended = true;
                                        const std::lock_guard lock(mutex_);
                                        something_ended_ = true;
                                        changed_.notify_all();
                                      });
}

void Replays::note_failure(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_worse = result_ || result_.error().kind == ErrorKind::kEpochChanged;
    const bool is_first = result_.has_value();
    if (is_worse) result_ = fail(error);
    if (!is_first) return;
  }
  options_.on_failure();
}

}  // namespace sluice::shipper
