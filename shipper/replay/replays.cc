#include "shipper/replay/replays.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

#include "common/log.h"
#include "shipper/lane_counters.h"
#include "shipper/replay/replay_log.h"
#include "shipper/replay/replay_work.h"

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
  log_info("replay {} is {}: {} events sent, {} refused{}{}", job.id,
           queue::name_of(progress.state), progress.sent, progress.refused,
           progress.remark.empty() ? "" : "; ", progress.remark);
}

}  // namespace

struct Replays::Running {
  Running(const queue::ReplayJob& job, const ReplaysOptions& options)
      : is_limited(job.spec.rate != 0),
        log(job.id, job.spec.lane),
        work(job, {.queue = options.source,
                   .save = [store = options.store, id = job.id](
                               const auto& progress) { return store->save_replay(id, progress); },
                   .wake = [this] { transport->wake(); },
                   .begin = let_others_go_first,
                   .clock = options.clock}) {}

  bool is_limited;
  LaneCounters counters;
  ReplayLog log;
  ReplayWork work;
  fluentd::Transport* transport = nullptr;  // the runner's
  std::atomic<bool> has_ended = false;
  std::unique_ptr<LaneRunner> runner;  // last, so that its thread ends before the others are gone
};

Replays::Replays(const ReplaysOptions& options)
    : options_(options), thread_([this](const std::stop_token& stop) { run(stop); }) {}

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
  for (auto& [id, job] : running_) job->runner->stop();
  for (auto& [id, job] : running_) job->runner->join();
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
}

void Replays::reap() {
  for (auto job = running_.begin(); job != running_.end();) {
    if (!job->second->has_ended) {
      ++job;
      continue;
    }
    LaneRunner& runner = *job->second->runner;
    runner.join();
    const Result<void>& done = runner.result();
    if (!done && done.error().kind != ErrorKind::kStopped) note_failure(done.error());
    const auto now = options_.store->replay(job->first);
    if (now && !now->is_active()) log_end(*now);
    job = running_.erase(job);
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
    log_warn("replay {} waits: {}", job.id, transport.error().message);
    start_again_ = options_.clock->monotonic() + kStartPause;
    return;
  }
  auto fresh = std::make_unique<Running>(job, options_);
  fresh->transport = transport->get();
  LaneOptions lane = options_.lane_options(job.spec.lane);
  if (job.spec.mark) lane.stamp.replay = job.id;
  lane.regroups = lane.connections > 1;
  lane.connections = 1;
  lane.linger = milliseconds{0};
  lane.lone_refusals_max = kReplayLoneRefusalsMax;
  const LaneParts parts{.source = &fresh->work,
                        .sink = &fresh->work,
                        .transport = nullptr,
                        .observer = &fresh->log,
                        .counters = &fresh->counters,
                        .clock = options_.clock,
                        .rate = options_.rate};
  queue::LaneProgress begin;
  begin.position = job.progress.position;
  log_info("replay {} {} behind number {} of lane {}, up to {}", job.id,
           job.progress.sent == 0 ? "begins" : "goes on", job.progress.position,
           queue::name_of(job.spec.lane), job.progress.last);
  fresh->runner = std::make_unique<LaneRunner>(lane, parts, begin, std::move(*transport),
                                               options_.finish, [this, ended = &fresh->has_ended] {
                                                 *ended = true;
                                                 const std::lock_guard lock(mutex_);
                                                 something_ended_ = true;
                                                 changed_.notify_all();
                                               });
  running_.emplace(job.id, std::move(fresh));
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
