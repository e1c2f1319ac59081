#include "fetcher/ingest/ingest_loop.h"

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/message_kinds.h"

namespace sluice::fetcher {
namespace {

// Ids of events in the queue, and apart from them ids of events that the configuration left out:
// these are remembered to be counted once, and must not keep a later backfill from having them.
// Each generation has two numbers.
constexpr std::uint32_t kQueuedIds = 1;
constexpr std::uint32_t kFilteredIds = 2;
constexpr std::uint32_t kNumbersEach = 2;

// How often, and how many at once, marks of recordings that are done are forgotten.
constexpr std::chrono::milliseconds kForgetInterval{3'600'000};
constexpr std::size_t kForgetMax = 1'000;

}  // namespace

IngestLoop::IngestLoop(queue::Writer* writer, LaneBuffers* buffers, const EventFilter* filter,
                       const Clock& clock, std::uint32_t generation, OnUpload on_upload,
                       OnEvent on_event)
    : writer_(*writer),
      buffers_(*buffers),
      filter_(*filter),
      clock_(clock),
      on_upload_(std::move(on_upload)),
      on_event_(std::move(on_event)),
      queued_ids_(generation * kNumbersEach + kQueuedIds),
      filtered_ids_(generation * kNumbersEach + kFilteredIds) {}

Result<std::size_t> IngestLoop::step(std::chrono::milliseconds timeout, std::stop_token stop) {
  batch_.clear();
  append_.clear();
  changes_.clear();
  uploads_.clear();
  new_events_.clear();
  forget_ids_before_.reset();
  buffers_.take(limits_, timeout, stop, &batch_);
  now_ms_ = to_unix_ms(clock_.now());
  SLUICE_TRY(forget_done_recordings());
  for (const Item& item : batch_) SLUICE_TRY(add(item));
  move_changes_to_append();
  if (!append_.empty()) SLUICE_TRY(writer_.append_behind(append_));
  if (forget_ids_before_) SLUICE_TRY(writer_.forget_seen_before(*forget_ids_before_));
  if (!uploads_.empty()) SLUICE_TRY(writer_.sync());
  for (const auto& [sid, state] : uploads_) on_upload_(sid, state);
  for (const Event* event : new_events_) on_event_(*event);
  return batch_.size();
}

Result<void> IngestLoop::add(const Item& item) {
  if (const auto* event = std::get_if<Event>(&item.content)) {
    SLUICE_TRY(add_record(item, Head{.kind = queue::RecordKind::kEvent,
                                     .id = event->id,
                                     .type = event->type,
                                     .time = event->time,
                                     .note = {},
                                     .body = event->json}));
  } else if (const auto* reject = std::get_if<Reject>(&item.content)) {
    SLUICE_TRY(add_record(item, Head{.kind = queue::RecordKind::kReject,
                                     .id = reject->id,
                                     .type = reject->type,
                                     .time = reject->time,
                                     .note = reject->reason,
                                     .body = reject->bytes}));
  }
  if (item.cursor) note_change(*item.cursor);
  for (const StateChange& change : item.also) note_change(change);
  if (item.forget_ids_before) SLUICE_TRY(note_forgetting(*item.forget_ids_before));
  if (item.read_up_to) append_.set_read_up_to(*item.read_up_to);
  return {};
}

// Said before it is done: it may then be less that is forgotten, never more.
Result<void> IngestLoop::note_forgetting(Day before) {
  forget_ids_before_ = std::min(before, keep_ids_from_.value_or(before));
  SLUICE_ASSIGN(const auto saved, writer_.state(kIdsFromKey));
  const Day known_from = parse_day(saved.value_or("")).value_or(*forget_ids_before_);
  note_change(
      StateChange{std::string(kIdsFromKey), format_day(std::max(known_from, *forget_ids_before_))});
  return {};
}

Result<void> IngestLoop::add_record(const Item& item, const Head& head) {
  const bool has_begun =
      item.lane == queue::Lane::kSession || item.is_backfill || filter_.has_begun(head.time);
  const bool keep = has_begun && filter_.keeps(item.lane, head.type);
  const Day day = day_of(head.time);
  if (item.lane == queue::Lane::kAudit) {
    // The queue first: what is in it already is not left out, whatever the configuration says now.
    SLUICE_ASSIGN(const bool queued, is_duplicate(queued_ids_, head.time, head.id));
    if (queued) {
      append_.count_duplicate(item.lane, day);
      ++counts_.duplicates[item.lane];
      return {};
    }
    if (!keep) {
      SLUICE_ASSIGN(const bool counted, is_duplicate(filtered_ids_, head.time, head.id));
      if (counted) return {};
    }
    append_.mark_seen(keep ? queued_ids_ : filtered_ids_, head.time, head.id);
  }
  if (!keep) {
    append_.count_filtered(item.lane, day);
    ++counts_.filtered[item.lane];
    return {};
  }
  append_.add(item.lane, queue::RecordView{.kind = head.kind,
                                           .epoch = 0,
                                           .fetched_at_ms = now_ms_,
                                           .time = head.time,
                                           .id = head.id,
                                           .type = head.type,
                                           .route = item.route,
                                           .note = head.note,
                                           .body = head.body});
  ++counts_.queued[item.lane];
  if (head.kind == queue::RecordKind::kReject) ++counts_.rejected[item.lane];
  const auto* event = std::get_if<Event>(&item.content);
  if (event != nullptr && item.lane == queue::Lane::kAudit && !item.is_backfill && on_event_) {
    new_events_.push_back(event);
  }
  if (event != nullptr && !event->sid.empty()) SLUICE_TRY(announce_recording(*event));
  return {};
}

Result<bool> IngestLoop::is_duplicate(std::uint32_t generation, Timestamp time,
                                      std::string_view id) {
  if (append_.marks(generation, time, id)) return true;
  return writer_.has_seen(generation, time, id);
}

// A recording that is pending already goes on where it is, and one that is done is not fetched
// again.
Result<void> IngestLoop::announce_recording(const Event& event) {
  if (!is_usable_sid(event.sid)) {
    log_message(message::kRecordingNotFetched, {.lane = "audit", .event_id = event.id},
                "the recording of event {} is not fetched: its session id is none", event.id);
    return {};
  }
  std::string key = recording_key(event.sid);
  SLUICE_ASSIGN(const bool pending, has_state(key));
  SLUICE_ASSIGN(const bool done, has_state(done_recording_key(event.sid)));
  if (pending || done) return {};
  RecordingState state;
  state.announced_at_ms = now_ms_;
  changes_.insert_or_assign(std::move(key), encode_recording_state(state));
  uploads_.insert_or_assign(event.sid, state);
  return {};
}

// As of this place in the batch under way.
Result<bool> IngestLoop::has_state(const std::string& key) {
  if (const auto found = changes_.find(key); found != changes_.end()) {
    return found->second.has_value();
  }
  SLUICE_ASSIGN(const auto saved, writer_.state(key));
  return saved.has_value();
}

// Now and then, so that the marks do not grow without end.
Result<void> IngestLoop::forget_done_recordings() {
  if (clock_.monotonic() < next_forgetting_) return {};
  next_forgetting_ = clock_.monotonic() + kForgetInterval;
  SLUICE_ASSIGN(const auto marks, writer_.states(kDoneRecordingPrefix));
  std::size_t forgotten = 0;
  for (const auto& [key, value] : marks) {
    const auto ended = parse_rfc3339(value);
    if (ended && now_ms_ - to_unix_ms(*ended) < kDoneRecordingKeptMs) continue;
    note_change(StateChange{key, std::nullopt});
    if (++forgotten == kForgetMax) break;
  }
  return {};
}

void IngestLoop::note_change(const StateChange& change) {
  changes_.insert_or_assign(change.key, change.value);
}

// Only the last change of each key: that of the source's last item in the batch.
void IngestLoop::move_changes_to_append() {
  for (auto& [key, value] : changes_) {
    if (value) {
      append_.put_state(key, std::move(*value));
    } else {
      append_.erase_state(key);
    }
  }
}

}  // namespace sluice::fetcher
