#include "fetcher/backfills.h"

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/ingest/ingest_loop.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/bulk_state.h"
#include "fetcher/source/search_state.h"

namespace sluice::fetcher {

Backfills::Backfills(const SourceParts& parts, Timestamp start_time)
    : parts_(parts), start_time_(start_time) {}

Backfills::~Backfills() {
  for (const auto& span : spans_) span->thread.request_stop();
}

Result<void> Backfills::load(queue::Writer* writer) {
  for (const TimeRange& range : parts_.config.backfill) {
    const std::string name = format_time_range(range);
    SLUICE_ASSIGN(const auto done, writer->state(BackfillSpan{range}.done_key()));
    if (done) {
      log_message(message::kBackfillDone, {}, "the backfill of {} was done at {}", name, *done);
      continue;
    }
    auto span = std::make_unique<Span>();
    span->span.range = range;
    SLUICE_ASSIGN(span->saved, load_source_state(span->span, writer));
    if (!span->saved.has_begun()) SLUICE_TRY(warn_about_forgotten_ids(range, writer));
    spans_.push_back(std::move(span));
  }
  return {};
}

// Says what of a span that is about to begin will come twice.
Result<void> Backfills::warn_about_forgotten_ids(const TimeRange& range,
                                                 queue::Writer* writer) const {
  SLUICE_ASSIGN(const auto saved, writer->state(kIdsFromKey));
  const auto ids_from = parse_day(saved.value_or(""));
  if (!ids_from) return {};
  const TimeRange repeated{.from = std::max(range.from, start_time_),
                           .to = std::min(range.to, start_of_day(*ids_from))};
  if (repeated.from >= repeated.to) return {};
  log_message(
      message::kBackfillRepeats, {},
      "of the backfill of {}, the events of {} come a second time: they were fetched before, "
      "and their ids are not remembered any more",
      format_time_range(range), format_time_range(repeated));
  return {};
}

void Backfills::start(AuditApi audit_api) {
  for (const auto& span : spans_) {
    const bool has_begun = span->saved.has_begun();
    SourceStart start;
    start.time = span->span.range.from;
    start.backfill = span->span;
    start.saved = std::move(span->saved);
    span->source = make_source(audit_api, parts_, std::move(start));
    log_message(message::kBackfillBegins, {}, "the backfill of {} {}",
                format_time_range(span->span.range), has_begun ? "goes on" : "begins");
    span->thread =
        std::jthread([this, span = span.get()](const std::stop_token& stop) { run(span, stop); });
  }
  started_ = true;
}

// The mark travels behind the span's last event.
void Backfills::run(Span* span, const std::stop_token& stop) {
  if (span->source->run(stop) != SourceEnd::kFinished) return;
  Item mark =
      mark_of(queue::Lane::kAudit, span->span.done_key(), format_rfc3339(parts_.clock.now()));
  for (const std::string_view key : {kBulkFirstDayKey, kSearchKey}) {
    mark.also.push_back(StateChange{state_key(span->span, key), std::nullopt});
  }
  if (!parts_.buffers->push(std::move(mark), stop)) return;
  log_message(message::kBackfillDone, {}, "the backfill of {} is done",
              format_time_range(span->span.range));
  span->done = true;
}

bool Backfills::idle() const {
  if (spans_.empty()) return true;
  return started_ && std::ranges::all_of(spans_, [](const auto& span) {
           return span->done || span->source->idle();
         });
}

Result<std::optional<Day>> Backfills::ids_needed_from(queue::Writer* writer) {
  std::optional<Day> from;
  for (const auto& span : spans_) {
    if (span->done && !span->is_marked) {
      SLUICE_ASSIGN(const auto mark, writer->state(span->span.done_key()));
      span->is_marked = mark.has_value();
    }
    if (span->is_marked) continue;
    const Day day = day_of(span->span.range.from);
    from = std::min(from.value_or(day), day);
  }
  return from;
}

std::size_t Backfills::open() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(spans_, [](const auto& span) { return !span->done; }));
}

}  // namespace sluice::fetcher
