#include "shipper/generation.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/backoff.h"
#include "common/heartbeat.h"
#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/process_note.h"
#include "queue/configured_limits.h"
#include "queue/instance.h"
#include "shipper/destination.h"
#include "shipper/doorbell.h"
#include "shipper/fluentd/make_transport.h"
#include "shipper/reader_source.h"
#include "shipper/store_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kQueuePollInterval{1000};
constexpr milliseconds kWatchInterval{1000};
constexpr milliseconds kDrainPollInterval{100};
constexpr milliseconds kViewInterval{10'000};
// What an answer may take beyond the time limit of its request.
constexpr milliseconds kAnswerMargin{1000};

// The queue may come, or become ready, by itself.
bool may_pass(ErrorKind kind) {
  return kind == ErrorKind::kNotFound || kind == ErrorKind::kBusy ||
         kind == ErrorKind::kEpochChanged;
}

LaneOptions lane_options(const Config& config, const queue::Id128& queue_id, queue::Lane lane) {
  const bool is_audit = lane == queue::Lane::kAudit;
  return {.lane = lane,
          .urls = is_audit ? config.fluentd.urls : config.fluentd.session_urls,
          .body = config.shipper.body,
          .stamp = {.lane = lane, .queue = config.shipper.stamp ? queue_id.to_string() : ""},
          .connections = config.shipper.connections,
          .batch_events = config.shipper.batch_events,
          .batch_bytes = config.shipper.batch_bytes,
          // Whoever waits for the end is not to wait for more events.
          .linger = config.shipper.exit_when_drained ? milliseconds{0} : config.shipper.linger,
          .adaptive = config.shipper.adaptive,
          .retry_min = config.shipper.retry_min,
          .retry_max = config.shipper.retry_max,
          .patient = !config.shipper.exit_when_drained};
}

std::uint64_t crash_repeats_max(const Config& config) {
  return std::uint64_t{queue::kLaneCount} * config.shipper.connections *
         config.shipper.batch_events;
}

}  // namespace

Result<std::unique_ptr<Generation>> Generation::open(const GenerationOptions& options) {
  auto generation = std::unique_ptr<Generation>(new Generation(options));
  SLUICE_ASSIGN(
      generation->store_,
      queue::DeliveryStore::open({.paths = {options.config->queue_path},
                                  .machine = queue::this_machine(),
                                  .clock = options.clock,
                                  .env = nullptr,
                                  .crash_repeats_max = crash_repeats_max(*options.config),
                                  .replay_repeats_max = options.config->shipper.batch_events}));
  generation->start_control();
  return generation;
}

// Without the socket nothing can be changed while the shipper runs, and shipping is worth more.
void Generation::start_control() {
  handler_ =
      std::make_unique<queue::ControlHandler>(store_.get(), ::geteuid(), options_.sink_report);
  const queue::InstancePaths paths{options_.config->queue_path};
  auto started = queue::ControlServer::start(
      {.socket = paths.control_socket()},
      [this](std::string_view request, uid_t peer) { return handler_->handle(request, peer); });
  if (started) {
    control_ = std::move(*started);
  } else {
    log_message(message::kControlUnreachable, {}, "{}: queuectl cannot reach this shipper",
                started.error().message);
  }
}

Generation::Generation(const GenerationOptions& options)
    : options_(options),
      rate_(options.config->shipper.events_per_second_max,
            options.config->shipper.bytes_per_second_max),
      dead_letters_(queue::dead_letter_limits(options.config->shipper), *options.clock),
      waiting_(message::kWaitingForQueue, "waiting for the queue", *options.clock) {}

Result<void> Generation::run(const std::stop_token& stop) {
  while (true) {
    SLUICE_TRY(attach(stop));
    if (stop.stop_requested()) return {};
    auto done = ship(stop);
    if (done || done.error().kind != ErrorKind::kEpochChanged) return done;
    log_message(message::kPositionsHeld, {}, "{}: positions are held against it",
                done.error().message);
  }
}

Result<void> Generation::attach(const std::stop_token& stop) {
  do {
    auto done = try_attach();
    if (done) waiting_.succeeded();
    if (done || !may_pass(done.error().kind)) return done;
    waiting_.failed(done.error().message);
    if (options_.metrics != nullptr) options_.metrics->begin_wait(done.error().message);
    notify_status("waiting: " + done.error().message);
    note_state("waiting for the queue: " + done.error().message);
  } while (sleep_for(stop, kQueuePollInterval));
  return {};
}

Result<void> Generation::try_attach() {
  SLUICE_TRY(store_->check_folder());
  if (reader_) {
    SLUICE_TRY(reader_->reopen());
  } else {
    const queue::InstancePaths paths{options_.config->queue_path};
    SLUICE_ASSIGN(reader_,
                  queue::Reader::open({.paths = paths, .scratch = paths.sink() / "reader"}));
  }
  SLUICE_ASSIGN(const auto view, reader_->view());
  SLUICE_ASSIGN(const auto rewinds, store_->reconcile(view));
  for (const queue::Rewind& rewind : rewinds) {
    log_message(
        message::kRecordsLost, {.lane = queue::name_of(rewind.lane), .sequence = rewind.from},
        "lane {}: the queue has lost records from number {} on after they were delivered up to {}; "
        "{} numbers belong to other records now and will be shipped{}",
        queue::name_of(rewind.lane), rewind.from, rewind.old_position, rewind.voided,
        rewind.skipped == 0
            ? ""
            : fmt::format("; {} of them had been skipped by hand, see the journal, and will be "
                          "shipped too unless they are skipped again",
                          rewind.skipped));
  }
  queue_id_ = view.queue_id;
  cluster_ = view.cluster;
  read_up_to_ = view.read_up_to;
  oldest_ = {};  // a new epoch may have other records under these numbers
  log_start(view);
  return {};
}

void Generation::log_start(const queue::QueueView& view) const {
  const auto audit = store_->progress(queue::Lane::kAudit).position;
  const auto session = store_->progress(queue::Lane::kSession).position;
  log_message(
      message::kShipping, {},
      "shipping queue {}{}: audit behind {} of {}, session behind {} of {}; a crash repeats at "
      "most {} events",
      view.queue_id.short_string(), view.cluster.empty() ? "" : " of cluster " + view.cluster,
      audit, view.durable[queue::Lane::kAudit], session, view.durable[queue::Lane::kSession],
      crash_repeats_max(*options_.config));
}

Result<std::unique_ptr<LaneRunner>> Generation::start_lane(queue::Lane lane, RecordSource* source,
                                                           CompletionSink* sink,
                                                           std::stop_token hurry) {
  SLUICE_ASSIGN(auto transport,
                fluentd::make_transport(*options_.config, options_.config->shipper.connections,
                                        options_.on_connected));
  const LaneParts parts{.source = source,
                        .sink = sink,
                        .transport = transport.get(),
                        .observer = options_.observers[lane],
                        .counters = &(*options_.counters)[lane],
                        .clock = options_.clock,
                        .rate = &rate_,
                        .tally = tally_of(lane)};
  const auto patience = options_.config->shipper.request_timeout + kAnswerMargin;
  return std::make_unique<LaneRunner>(
      lane_options(*options_.config, queue_id_, lane), parts, store_->progress(lane),
      std::move(transport), FinishOptions{.patience = patience, .hurry = std::move(hurry)},
      [this, lane] { note_end(lane); });
}

ReplaysOptions Generation::replays_options(RecordSource* source, std::stop_token hurry) {
  const Config* const config = options_.config;
  return {.lane_options =
              [this](queue::Lane lane) { return lane_options(*options_.config, queue_id_, lane); },
          .make_transport = [this]() -> Result<std::unique_ptr<fluentd::Transport>> {
            return fluentd::make_transport(*options_.config, 1, options_.on_connected);
          },
          .finish = {.patience = config->shipper.request_timeout + kAnswerMargin,
                     .hurry = std::move(hurry)},
          .clock = options_.clock,
          .rate = &rate_,
          .tally = [this](queue::Lane lane) { return tally_of(lane); },
          .store = store_.get(),
          .source = source,
          .on_failure =
              [this] {
                const std::lock_guard lock(mutex_);
                replays_failed_ = true;
                changed_.notify_all();
              }};
}

// What is counted is that of the servers where audit events go.
SinkTally* Generation::tally_of(queue::Lane lane) const {
  const FluentdConfig& fluentd = options_.config->fluentd;
  const bool is_compared = lane == queue::Lane::kAudit ||
                           std::ranges::equal(fluentd.urls, fluentd.session_urls, is_same_server);
  return is_compared ? options_.tally : nullptr;
}

void Generation::note_end(queue::Lane lane) {
  const std::lock_guard lock(mutex_);
  ended_.push_back(lane);
  changed_.notify_all();
}

Result<void> Generation::ship(const std::stop_token& stop) {
  ended_.clear();
  replays_failed_ = false;
  note_state("shipping");
  ReaderSource source(reader_.get());
  StoreSink sink(store_.get(), queue::dead_letter_limits(options_.config->shipper));
  std::stop_source hurry;
  Lanes lanes;
  for (const queue::Lane lane : queue::kLanes) {
    SLUICE_ASSIGN(lanes[lane], start_lane(lane, &source, &sink, hurry.get_token()));
  }
  Replays replays(replays_options(&source, hurry.get_token()));
  Result<void> watched;
  {
    const Doorbell doorbell(reader_.get(), [&lanes] {
      for (const queue::Lane lane : queue::kLanes) lanes[lane]->wake();
    });
    watched = watch(stop);
  }
  if (!watched) hurry.request_stop();
  end_lanes(lanes, &replays, stop, hurry);
  if (!watched) return watched;
  return outcome(lanes, replays);
}

// A new epoch is no reason to drop what is under way; every other end is.
void Generation::end_lanes(const Lanes& lanes, Replays* replays, const std::stop_token& stop,
                           std::stop_source hurry) {
  const std::stop_callback on_stop(stop, [&hurry] { hurry.request_stop(); });
  const auto cause = outcome(lanes, *replays);
  if (!cause && cause.error().kind != ErrorKind::kEpochChanged) hurry.request_stop();
  for (const queue::Lane lane : queue::kLanes) lanes[lane]->stop();
  replays->stop();
  for (const queue::Lane lane : queue::kLanes) lanes[lane]->join();
  replays->join();
}

// The first lane that failed knows the cause; the other one only meets what is left. A new epoch is
// the mildest reason.
Result<void> Generation::outcome(const Lanes& lanes, const Replays& replays) {
  const std::lock_guard lock(mutex_);
  Result<void> outcome = replays.result();
  for (const queue::Lane lane : ended_) {
    const auto& result = lanes[lane]->result();
    const bool is_worse = outcome || outcome.error().kind == ErrorKind::kEpochChanged;
    if (!result && is_worse) outcome = result;
  }
  return outcome;
}

Result<void> Generation::watch(const std::stop_token& stop) {
  const bool until_drained = options_.config->shipper.exit_when_drained;
  const auto interval = until_drained ? kDrainPollInterval : kWatchInterval;
  Heartbeat heartbeat("the watch over the lanes");
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    heartbeat.beat();
    if (changed_.wait_for(lock, stop, interval,
                          [this] { return !ended_.empty() || replays_failed_; })) {
      return {};
    }
    SLUICE_TRY(store_->check_folder());
    report_status();
    // While the sink takes nothing, the lanes read nothing. What fails here, the next read says.
    [[maybe_unused]] const auto released = reader_->let_go();
    if (until_drained && is_drained()) {
      log_message(message::kDrained, {}, "{}",
                  describe_drained(store_->progress(queue::Lane::kAudit),
                                   store_->progress(queue::Lane::kSession)));
      return {};
    }
  }
  return {};
}

void Generation::report_status() {
  queue::PerLane<queue::Seq> durable;
  for (const queue::Lane lane : queue::kLanes) {
    durable[lane] = reader_->durable(lane).value_or(store_->progress(lane).position);
  }
  const queue::PerLane<std::optional<std::int64_t>> oldest = {oldest_ms(queue::Lane::kAudit),
                                                              oldest_ms(queue::Lane::kSession)};
  options_.status->tick(*store_, durable, oldest);
  if (options_.metrics != nullptr) {
    options_.metrics->tick(*store_, {.id = queue_id_,
                                     .cluster = cluster_,
                                     .epoch = reader_->epoch().number,
                                     .read_up_to = read_up_to(),
                                     .durable = durable,
                                     .oldest_ms = oldest});
  }
  dead_letters_.tick(*store_);
}

// Looked up seldom, since it is read from the database.
std::optional<queue::ReadUpTo> Generation::read_up_to() {
  if (options_.clock->monotonic() < next_view_) return read_up_to_;
  next_view_ = options_.clock->monotonic() + kViewInterval;
  if (const auto view = reader_->view()) {
    cluster_ = view->cluster;
    read_up_to_ = view->read_up_to;
  }
  return read_up_to_;
}

// When the first event was fetched that is not accounted for.
std::optional<std::int64_t> Generation::oldest_ms(queue::Lane lane) {
  Oldest& oldest = oldest_[lane];
  const queue::Seq seq = store_->progress(lane).position + 1;
  if (oldest.seq != seq) {
    const auto next = reader_->read(lane, seq, {.records_max = 1, .bytes_max = 0});
    if (!next || next->empty()) return std::nullopt;
    oldest = {.seq = seq, .fetched_at_ms = next->records().front().record.fetched_at_ms};
  }
  return oldest.fetched_at_ms;
}

bool Generation::is_drained() const {
  if (!store_->active_replays().empty()) return false;
  return std::ranges::all_of(queue::kLanes, [this](queue::Lane lane) {
    if (!store_->requeued(lane).empty()) return false;
    const auto durable = reader_->durable(lane);
    return durable && *durable == store_->progress(lane).position;
  });
}

}  // namespace sluice::shipper
