#include "fetcher/fetcher.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/backoff.h"
#include "common/heartbeat.h"
#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/process_note.h"
#include "fetcher/dry_run.h"
#include "fetcher/generation.h"
#include "fetcher/import/import_position.h"
#include "fetcher/teleport/client.h"
#include "queue/configured_limits.h"
#include "queue/control_page.h"
#include "queue/daemon_note.h"
#include "queue/damage_advice.h"
#include "queue/instance.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShipperLookInterval{1'000};
constexpr milliseconds kConnectBackoffMin{1'000};
constexpr milliseconds kConnectBackoffMax{30'000};
constexpr milliseconds kReopenBackoffMin{500};
constexpr milliseconds kReopenBackoffMax{30'000};

// Whether opening the queue again can help against an error of a generation. A refusal by Teleport
// ends a run that is to end by itself, and none else.
bool heals_by_waiting(ErrorKind kind) {
  return kind != ErrorKind::kIdentity && kind != ErrorKind::kConfig && kind != ErrorKind::kFormat &&
         kind != ErrorKind::kCorrupt && kind != ErrorKind::kUnauthorized;
}

// Asks for the cluster's name until Teleport answers (once only, if not patient), on a thread of
// its own, so that the queue's thread can go on with its own work.
class ClusterQuestion {
 public:
  ClusterQuestion(EventApi* api, const Clock& clock, bool patient)
      : patient_(patient),
        thread_([this, api, &clock](const std::stop_token& stop) { ask(api, clock, stop); }) {}

  // What the last try failed with, unless it was answered.
  std::optional<Error> failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  std::optional<std::string> answer() const {
    const std::lock_guard lock(mutex_);
    return answer_;
  }

 private:
  void ask(EventApi* api, const Clock& clock, const std::stop_token& stop) {
    RepeatedMessage trouble(message::kNoConnection, "no connection to Teleport", clock);
    Backoff backoff(kConnectBackoffMin, kConnectBackoffMax);
    while (!stop.stop_requested()) {
      auto cluster = api->ping(stop);
      if (cluster) {
        trouble.succeeded();
        const std::lock_guard lock(mutex_);
        failure_.reset();
        answer_ = std::move(*cluster);
        return;
      }
      if (cluster.error().kind == ErrorKind::kStopped) return;
      {
        const std::lock_guard lock(mutex_);
        failure_ = cluster.error();
      }
      if (!patient_) return;
      trouble.failed(cluster.error().message);
      sleep_for(stop, backoff.next());
    }
  }

  mutable std::mutex mutex_;
  const bool patient_;
  std::optional<Error> failure_;
  std::optional<std::string> answer_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace

Fetcher::Fetcher(Config config, const Clock& clock)
    : config_(std::move(config)),
      clock_(clock),
      reopening_(message::kQueueReopened,
                 "the queue is opened anew, and everything goes on from what is in it", clock) {}

Fetcher::~Fetcher() = default;

Result<void> Fetcher::run(std::stop_token stop) {
  SLUICE_ASSIGN(api_, TeleportClient::create(config_.teleport, clock_));
  if (config_.fetcher.dry_run) return DryRun(config_.fetcher, api_.get(), clock_).run(stop);
  SLUICE_ASSIGN(metrics_server_,
                MetricsServer::start_if_possible(
                    {.address = config_.fetcher.metrics_address,
                     .fill = [this](MetricsPage* page) { metrics_.fill(api_->calls(), page); },
                     .why_not_ready = [this] { return metrics_.why_not_ready(); }}));
  SLUICE_TRY(queue::with_queue_advice(open_first(stop), {config_.queue_path}));
  const queue::NoteKeeper note(queue::InstancePaths{config_.queue_path}.fetcher_page(),
                               queue::PageRole::kFetcher);
  if (config_.fetcher.exit_on_last_event) {
    SLUICE_ASSIGN(cluster_, connect(stop));
  }
  while (!stop.stop_requested()) {
    const auto finished = run_generation(stop);
    if (finished && *finished) break;
    if (finished) continue;
    if (!heals_by_waiting(finished.error().kind)) {
      return fail(queue::advise_on_queue(finished.error(), {config_.queue_path}));
    }
    SLUICE_TRY(reopen_queue(finished.error(), stop));
  }
  return {};
}

Result<void> Fetcher::open_queue() {
  queue::WriterOptions options;
  options.paths = queue::InstancePaths{config_.queue_path};
  options.machine = queue::this_machine();
  options.clock = &clock_;
  options.limits = queue::configured_limits(config_.queue);
  options.sync_duration = metrics_.sync_duration();
  SLUICE_ASSIGN(writer_, queue::Writer::open(options));
  const queue::OpenReport& report = writer_->report();
  log_message(message::kQueueOpened, {},
              "queue {} {} at {}, epoch {}; last numbers: audit {}, session {}",
              writer_->queue_id().short_string(), report.created ? "created" : "opened",
              config_.queue_path.string(), report.epoch.number, report.last[queue::Lane::kAudit],
              report.last[queue::Lane::kSession]);
  for (const queue::Lane lane : queue::kLanes) {
    if (report.lost[lane] == 0) continue;
    log_message(
        message::kDiskLostEvents, {.lane = queue::name_of(lane), .count = report.lost[lane]},
        "the disk has lost the last {} {} events, though it had said that they were synced; "
        "they are fetched again",
        report.lost[lane], queue::name_of(lane));
  }
  SLUICE_TRY(import_position(config_, clock_, writer_.get()));
  SLUICE_ASSIGN(start_, settle_start_time(config_.fetcher, clock_, writer_.get()));
  return {};
}

// A file system that is full at the start is waited for, as one that becomes full later; any other
// failure at the start is for the person who started it.
Result<void> Fetcher::open_first(const std::stop_token& stop) {
  const auto opened = open_queue();
  if (opened || opened.error().kind != ErrorKind::kNoSpace) return opened;
  notify_ready();
  return reopen_queue(opened.error(), stop);
}

// The failed Writer is given up first: nothing may be tried again on it.
Result<void> Fetcher::reopen_queue(const Error& cause, const std::stop_token& stop) {
  reopening_.failed(cause.message);
  if (writer_ && cause.kind == ErrorKind::kNoSpace) writer_->release_room();
  notify_status("waiting: " + cause.message);
  metrics_.begin_wait(cause.message);
  note_state("waiting: " + cause.message);
  RepeatedMessage trouble(message::kQueueNotOpened, "cannot open the queue again", clock_);
  Backoff backoff(kReopenBackoffMin, kReopenBackoffMax);
  while (sleep_for(stop, backoff.next())) {
    writer_.reset();
    const auto opened = open_queue();
    if (opened) {
      trouble.succeeded();
      return {};
    }
    if (!heals_by_waiting(opened.error().kind)) {
      return queue::with_queue_advice(opened, {config_.queue_path});
    }
    trouble.failed(opened.error().message);
  }
  return {};
}

// The cluster's name, or an empty one when asked to stop. A daemon tries for ever; a run that is to
// end by itself has somebody waiting for its exit status, and gives up when it cannot even begin.
Result<std::string> Fetcher::connect(const std::stop_token& stop) {
  if (!cluster_.empty()) return cluster_;
  const bool patient = !config_.fetcher.exit_on_last_event;
  const ClusterQuestion question(api_.get(), clock_, patient);
  bool ready = false;
  Heartbeat heartbeat("the keeping of the queue");
  milliseconds next_look{};
  while (!stop.stop_requested()) {
    heartbeat.beat();
    const auto failure = question.failure();
    if (failure) metrics_.begin_wait(failure->message);
    note_state(failure ? failure->message : "connecting to Teleport");
    if (failure && !patient) return fail(*failure);
    if (!ready && (failure || question.answer())) {
      notify_ready();
      ready = true;
    }
    if (auto answer = question.answer()) return *answer;
    if (writer_->is_tending_due()) SLUICE_TRY(writer_->tend());
    if (clock_.monotonic() >= next_look) {
      SLUICE_TRY(writer_->check_folder());
      SLUICE_TRY(writer_->note_delivery_store());
      if (failure) notify_status("waiting: " + failure->message);
      next_look = clock_.monotonic() + kShipperLookInterval;
    }
    sleep_for(stop, milliseconds{20});
  }
  return std::string();
}

// True: nothing is left to do.
Result<bool> Fetcher::run_generation(const std::stop_token& stop) {
  SLUICE_ASSIGN(cluster_, connect(stop));
  if (stop.stop_requested()) return true;
  SLUICE_TRY(writer_->claim_cluster(cluster_));
  SLUICE_ASSIGN(const auto generation,
                Generation::create(config_, start_, api_.get(), writer_.get(), clock_, &metrics_));
  note_state("fetching");
  SLUICE_ASSIGN(const Generation::End end, generation->run(stop));
  return end != Generation::End::kChooseAgain;
}

}  // namespace sluice::fetcher
