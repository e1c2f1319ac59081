#include "fetcher/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/backoff.h"
#include "common/heartbeat.h"
#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/process_note.h"
#include "common/repeated_message.h"
#include "fetcher/import/last_sent.h"
#include "fetcher/source/recording_state.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

// How long the ingest thread waits for items before it looks at everything else it does.
constexpr milliseconds kStepWait{250};
constexpr milliseconds kShipperLookInterval{1'000};
constexpr milliseconds kLineInterval{60'000};
constexpr milliseconds kStatusInterval{5'000};
constexpr milliseconds kProbeBackoffMin{1'000};
constexpr milliseconds kProbeBackoffMax{30'000};

// Whether asking Teleport again cannot help.
bool is_final_answer(ErrorKind kind) {
  return kind == ErrorKind::kUnimplemented || kind == ErrorKind::kRejected;
}

std::string describe(const std::optional<queue::ReadUpTo>& read_up_to) {
  if (!read_up_to) return "(not known yet)";
  return format_rfc3339({from_unix_ms(read_up_to->time_ms).seconds, 0});
}

// For who looks at this process.
void note_how_full(const queue::Writer& writer) {
  for (const queue::Lane lane : queue::kLanes) {
    if (const auto& reason = writer.full_lanes()[lane]) {
      note_state(fmt::format("fetching for lane {} is paused: {}", queue::name_of(lane), *reason));
      return;
    }
  }
  note_state("fetching");
}

}  // namespace

Result<std::unique_ptr<Generation>> Generation::create(const Config& config, const StartTime& start,
                                                       EventApi* api, queue::Writer* writer,
                                                       const Clock& clock,
                                                       FetcherMetrics* metrics) {
  std::unique_ptr<Generation> generation(
      new Generation(config, start, api, writer, clock, metrics));
  SLUICE_TRY(generation->load_state());
  SLUICE_TRY(generation->load_recordings());
  return generation;
}

Generation::Generation(const Config& config, const StartTime& start, EventApi* api,
                       queue::Writer* writer, const Clock& clock, FetcherMetrics* metrics)
    : config_(config.fetcher),
      api_(*api),
      writer_(*writer),
      metrics_(metrics),
      clock_(clock),
      teleport_clock_(clock),
      buffers_(config_.buffer_bytes),
      source_parts_{config_, api, &buffers_, clock, &teleport_clock_},
      filter_(config_, start.time),
      recordings_(RecordingsOptions{.concurrency = config_.concurrency}, api, &buffers_, clock),
      backfills_(source_parts_, start.time),
      ingest_(
          writer, &buffers_, &filter_, clock, start.generation,
          [this](const std::string& sid, const RecordingState& state) {
            recordings_.add(sid, state);
          },
          config.lock.enabled ? [this](const Event& event) { locks_->note(event); }
                              : IngestLoop::OnEvent()),
      next_line_(clock.monotonic() + kLineInterval) {
  audit_start_.time = start.time;
  audit_start_.is_announced = true;
  if (config.lock.enabled) locks_.emplace(config.lock, api, clock);
}

Result<void> Generation::load_state() {
  SLUICE_ASSIGN(audit_start_.saved, load_source_state(std::nullopt, &writer_));
  audit_start_.read_up_to = writer_.read_up_to();
  return backfills_.load(&writer_);
}

Result<void> Generation::load_recordings() {
  SLUICE_ASSIGN(const auto saved, writer_.states(kRecordingPrefix));
  for (const auto& [key, value] : saved) {
    SLUICE_ASSIGN(const RecordingState state, decode_recording_state(value));
    recordings_.add(key.substr(kRecordingPrefix.size()), state);
  }
  return {};
}

void Generation::tell_metrics() {
  if (metrics_ == nullptr) return;
  metrics_->tick({.counts = ingest_.counts(),
                  .last = {writer_.last(queue::Lane::kAudit), writer_.last(queue::Lane::kSession)},
                  .is_paused = full_,
                  .read_up_to = writer_.read_up_to(),
                  .recordings_pending = recordings_.pending(),
                  .backfills_open = backfills_.open(),
                  .epoch = writer_.report().epoch.number,
                  .ledger = {total_of(writer_.ledger(), queue::Lane::kAudit),
                             total_of(writer_.ledger(), queue::Lane::kSession)},
                  .usage = writer_.disk_usage(),
                  .max_size = writer_.disk_plan().max_size,
                  .full_in = writer_.full_in()});
}

Result<Generation::End> Generation::run(std::stop_token stop) {
  const auto ended = ingest_until_end(stop);
  tell_metrics();
  if (metrics_ != nullptr) metrics_->end_generation();
  SLUICE_ASSIGN(const End end, ended);
  SLUICE_TRY(writer_.sync());
  return end;
}

Result<Generation::End> Generation::ingest_until_end(const std::stop_token& stop) {
  audit_thread_ = std::jthread([this](const std::stop_token& token) { run_audit_source(token); });
  Heartbeat heartbeat("the writing into the queue");
  milliseconds next_look{};
  while (!stop.stop_requested()) {
    heartbeat.beat();
    if (writer_.is_tending_due()) SLUICE_TRY(tend());
    SLUICE_ASSIGN(const auto ids_needed_from, backfills_.ids_needed_from(&writer_));
    ingest_.keep_ids_from(ids_needed_from);
    SLUICE_ASSIGN(const std::size_t items, ingest_.step(kStepWait, stop));
    if (clock_.monotonic() >= next_look) {
      SLUICE_TRY(writer_.check_folder());
      SLUICE_TRY(writer_.note_delivery_store());
      next_look = clock_.monotonic() + kShipperLookInterval;
      tell_metrics();
    }
    show_status();
    log_each_minute();
    if (choose_again_) return End::kChooseAgain;
    if (const auto refused = refusal()) return fail(*refused);
    if (items > 0 || !config_.exit_on_last_event || !finished()) continue;
    if (const auto refused = recordings_.refusal()) return fail(*refused);
    return End::kFinished;
  }
  return End::kStopped;
}

// Keeps the queue within its limits. A lane without room is left alone: its buffer fills, its
// sources wait, and Teleport keeps the events.
Result<void> Generation::tend() {
  SLUICE_TRY(writer_.tend());
  queue::PerLane<bool> full;
  for (const queue::Lane lane : queue::kLanes) {
    const auto& reason = writer_.full_lanes()[lane];
    full[lane] = reason.has_value();
    if (full[lane] == full_[lane]) continue;
    if (reason) {
      log_message(message::kLanePaused, {.lane = queue::name_of(lane)},
                  "fetching for lane {} is paused, and goes on by itself: {}", queue::name_of(lane),
                  *reason);
    } else {
      log_message(message::kLaneGoesOn, {.lane = queue::name_of(lane)},
                  "there is room again: fetching for lane {} goes on", queue::name_of(lane));
    }
  }
  full_ = full;
  note_how_full(writer_);
  ingest_.leave_alone(full);
  return {};
}

// The order matters: a source that is idle has pushed everything before, so that what is then no
// longer in the buffers is in the queue.
bool Generation::finished() const {
  const AuditSource* source = running_source_;
  return source != nullptr && source->idle() && backfills_.idle() && recordings_.idle() &&
         buffers_.empty();
}

std::optional<Error> Generation::refusal() {
  const std::lock_guard lock(refusal_mutex_);
  return refusal_;
}

void Generation::run_audit_source(const std::stop_token& stop) {
  const auto audit_api = choose_api(stop);
  if (!audit_api) return;
  settle_last_sent(stop);
  if (stop.stop_requested()) return;
  source_ = make_source(*audit_api, source_parts_, std::move(audit_start_));
  backfills_.start(*audit_api);
  running_source_ = source_.get();
  if (source_->run(stop) == SourceEnd::kChooseAgain) choose_again_ = true;
}

// Asks until it is known what this Teleport has; nothing when asked to stop. A run that is to end
// by itself has somebody waiting for its exit status, and a refusal does not pass by waiting.
std::optional<AuditApi> Generation::choose_api(const std::stop_token& stop) {
  RepeatedMessage trouble(message::kApiUnknown,
                          "cannot find out whether Teleport has a bulk export", clock_);
  Backoff backoff(kProbeBackoffMin, kProbeBackoffMax);
  while (!stop.stop_requested()) {
    const auto probed = probe_audit_api(&api_, clock_, stop);
    if (probed) return *probed;
    if (probed.error().kind == ErrorKind::kStopped) break;
    if (probed.error().kind == ErrorKind::kUnauthorized && config_.exit_on_last_event) {
      const std::lock_guard lock(refusal_mutex_);
      refusal_ = probed.error();
      break;
    }
    trouble.failed(probed.error().message);
    sleep_for(stop, backoff.next());
  }
  return std::nullopt;
}

// For `systemctl status`, whose reader wants to know how it is now.
void Generation::show_status() {
  if (clock_.monotonic() < next_status_) return;
  next_status_ = clock_.monotonic() + kStatusInterval;
  std::string line;
  for (const queue::Lane lane : queue::kLanes) {
    if (full_[lane]) line += fmt::format("no room for lane {}; ", queue::name_of(lane));
  }
  line += fmt::format(
      "Teleport read completely up to {}; last numbers: audit {}, session {}; recordings pending: "
      "{}",
      describe(writer_.read_up_to()), writer_.last(queue::Lane::kAudit),
      writer_.last(queue::Lane::kSession), recordings_.pending());
  notify_status(line);
}

// Of a position that was taken over: moves its start to the last event that was sent. The source
// saves it with its first mark; until then it is asked for again.
void Generation::settle_last_sent(const std::stop_token& stop) {
  std::optional<SearchState>& search = audit_start_.saved.search;
  if (!search || search->sent_id.empty()) return;
  RepeatedMessage trouble(message::kLastSentUnknown,
                          "cannot look for the last event that teleport-event-handler sent",
                          clock_);
  Backoff backoff(kProbeBackoffMin, kProbeBackoffMax);
  while (!stop.stop_requested()) {
    const auto found = find_last_sent(*search, config_, clock_, &api_, stop);
    if (!found && found.error().kind == ErrorKind::kStopped) return;
    if (!found && !is_final_answer(found.error().kind)) {
      trouble.failed(found.error().message);
      sleep_for(stop, backoff.next());
      continue;
    }
    // The handler asked for nothing that was ahead of its clock.
    if (found && *found && **found <= clock_.now()) {
      const auto overlap = std::chrono::ceil<std::chrono::seconds>(config_.search_overlap);
      search->from = std::max(search->from, add_seconds(**found, -overlap.count()));
      log_message(message::kLastSentFound, {},
                  "the last event that teleport-event-handler sent is of {}: going on from {} on",
                  format_rfc3339(**found), format_rfc3339(search->from));
    } else {
      log_message(
          message::kLastSentGone, {.event_id = search->sent_id},
          "the last event that teleport-event-handler sent, {}, is not found in Teleport, so "
          "what it sent from {} on comes twice",
          search->sent_id, format_rfc3339(search->from));
    }
    audit_start_.saved.ids_from = day_of(search->from) - 1;
    search->sent_id.clear();
    search->sent_key.clear();
    return;
  }
}

void Generation::log_each_minute() {
  if (clock_.monotonic() < next_line_) return;
  next_line_ = clock_.monotonic() + kLineInterval;
  const IngestCounts now = ingest_.counts();
  const auto sum = [](const queue::PerLane<std::uint64_t>& after,
                      const queue::PerLane<std::uint64_t>& before) {
    std::uint64_t total = 0;
    for (const queue::Lane lane : queue::kLanes) total += after[lane] - before[lane];
    return total;
  };
  const auto queued = [&](queue::Lane lane) { return now.queued[lane] - logged_.queued[lane]; };
  const std::string line = fmt::format(
      "in the last minute: {} audit and {} session events queued, {} rejected, {} filtered, {} "
      "duplicates; last numbers: audit {}, session {}; recordings pending: {}; backfills open: {}; "
      "Teleport read "
      "completely up to {}",
      queued(queue::Lane::kAudit), queued(queue::Lane::kSession),
      sum(now.rejected, logged_.rejected), sum(now.filtered, logged_.filtered),
      sum(now.duplicates, logged_.duplicates), writer_.last(queue::Lane::kAudit),
      writer_.last(queue::Lane::kSession), recordings_.pending(), backfills_.open(),
      describe(writer_.read_up_to()));
  log_message(message::kFetcherStatus, {}, "{}", line);
  logged_ = now;
}

}  // namespace sluice::fetcher
