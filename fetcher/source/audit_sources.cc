#include "fetcher/source/audit_sources.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/ingest/ingest_loop.h"
#include "fetcher/source/bulk_export.h"
#include "fetcher/source/window_search.h"

namespace sluice::fetcher {
namespace {

BulkExportOptions bulk_export_options(const FetcherConfig& config, const SourceStart& start) {
  BulkExportOptions options;
  options.start_time = start.time;
  options.concurrency = config.concurrency;
  options.late_days = config.late_days;
  options.export_delay = config.export_delay;
  options.poll_interval = config.poll_interval;
  options.read_up_to = start.read_up_to;
  options.backfill = start.backfill;
  return options;
}

WindowSearchOptions window_search_options(const FetcherConfig& config, const SourceStart& start) {
  WindowSearchOptions options;
  options.types = config.types;
  options.page_size = config.page_size;
  options.window_size = config.window_size;
  options.overlap = config.search_overlap;
  options.late_days = config.late_days;
  options.poll_interval = config.poll_interval;
  options.read_up_to = start.read_up_to;
  options.backfill = start.backfill;
  return options;
}

// Where the bulk export takes over from a search. What that has not read yet begins in this day,
// and chunks may come late for those before it; what it has of them is known by its ids. Not so
// where it has not moved on since it took over itself: the days before that are closed, and their
// ids may be forgotten. A day more, in case an event's own day is not that of its chunk.
Day bulk_from(const SourceState& saved, std::uint32_t late_days) {
  const Day from = day_of(saved.search->from) - static_cast<Day>(late_days);
  return saved.ids_from ? std::max(from, *saved.ids_from + 1) : from;
}

std::unique_ptr<AuditSource> make_bulk_export(const SourceParts& parts, SourceStart start) {
  BulkExportOptions options = bulk_export_options(parts.config, start);
  BulkState saved = std::move(start.saved.bulk);
  if (start.saved.search) {
    if (!saved.first_day) saved.first_day = bulk_from(start.saved, parts.config.late_days);
    options.takeover.push_back({state_key(start.backfill, kSearchKey), std::nullopt});
  }
  if (start.is_announced) {
    log_message(message::kReadingBegins, {}, "reading audit events by bulk export, from {} on",
                format_day(std::max(day_of(start.time), saved.first_day.value_or(INT32_MIN))));
  }
  return std::make_unique<BulkExport>(std::move(options), std::move(saved), parts.api,
                                      parts.buffers, parts.clock, parts.teleport_clock);
}

// Where a search takes over from the bulk export: a day before the first one that is not closed, in
// case an event's own day is the one before that of its chunk, and that chunk is unread. The ids of
// that day are remembered (BulkExport::close_first_day).
Timestamp search_from(const SourceStart& start) {
  const auto& first_day = start.saved.bulk.first_day;
  if (!first_day) return start.time;
  const Timestamp from = std::max(start.time, start_of_day(*first_day - 1));
  // Whatever was saved: no window ends before it begins.
  return start.backfill ? std::min(from, start.backfill->range.to) : from;
}

std::vector<StateChange> erased(const BulkState& bulk,
                                const std::optional<BackfillSpan>& backfill) {
  std::vector<StateChange> changes;
  if (bulk.first_day) changes.push_back({state_key(backfill, kBulkFirstDayKey), std::nullopt});
  for (const Day day : bulk.closed) {
    changes.push_back({state_key(backfill, closed_day_key(day)), std::nullopt});
  }
  for (const auto& [day, chunks] : bulk.days) {
    for (const auto& [name, progress] : chunks) {
      changes.push_back({state_key(backfill, chunk_key(day, name)), std::nullopt});
    }
  }
  return changes;
}

std::unique_ptr<AuditSource> make_window_search(const SourceParts& parts, SourceStart start) {
  WindowSearchOptions options = window_search_options(parts.config, start);
  options.takeover = erased(start.saved.bulk, start.backfill);
  SearchState saved;
  saved.from = search_from(start);
  if (start.saved.search) saved = std::move(*start.saved.search);
  if (start.is_announced) {
    log_message(
        message::kReadingBegins, {},
        "reading audit events by window search, from {} on (this Teleport has no bulk export)",
        format_rfc3339(saved.from));
  }
  return std::make_unique<WindowSearch>(std::move(options), std::move(saved), parts.api,
                                        parts.buffers, parts.clock, parts.teleport_clock);
}

}  // namespace

Result<SourceState> load_source_state(const std::optional<BackfillSpan>& backfill,
                                      queue::Writer* writer) {
  const std::size_t prefix_size = state_key(backfill, "").size();
  SourceState state;
  SLUICE_ASSIGN(const auto first_day, writer->state(state_key(backfill, kBulkFirstDayKey)));
  SLUICE_ASSIGN(auto chunks, writer->states(state_key(backfill, kBulkPrefix)));
  for (auto& [key, value] : chunks) key.erase(0, prefix_size);
  SLUICE_ASSIGN(auto closed, writer->states(state_key(backfill, kBulkClosedPrefix)));
  for (auto& [key, value] : closed) key.erase(0, prefix_size);
  SLUICE_ASSIGN(state.bulk, decode_bulk_state(first_day, chunks, closed));
  SLUICE_ASSIGN(const auto search, writer->state(state_key(backfill, kSearchKey)));
  if (!search) return state;
  SLUICE_ASSIGN(state.search, decode_search_state(*search));
  // Of a span nothing is forgotten while it is open.
  if (backfill) return state;
  SLUICE_ASSIGN(const auto saved_day, writer->state(kIdsFromKey));
  if (const auto ids_from = parse_day(saved_day.value_or(""))) state.ids_from = *ids_from;
  return state;
}

std::unique_ptr<AuditSource> make_source(AuditApi audit_api, const SourceParts& parts,
                                         SourceStart start) {
  if (audit_api == AuditApi::kBulkExport) return make_bulk_export(parts, std::move(start));
  return make_window_search(parts, std::move(start));
}

}  // namespace sluice::fetcher
