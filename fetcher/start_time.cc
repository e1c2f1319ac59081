#include "fetcher/start_time.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/ingest/ingest_loop.h"
#include "fetcher/source/bulk_state.h"
#include "fetcher/source/recording_state.h"
#include "fetcher/source/search_state.h"
#include "queue/ledger.h"

namespace sluice::fetcher {
namespace {

constexpr std::string_view kGenerationKey = "id-generation";

std::unexpected<Error> unreadable(std::string_view key, std::string_view value) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("the fetcher's saved state \"{}\" = \"{}\" cannot be read: it was not "
                          "written by this program",
                          key, value));
}

Result<std::optional<StartTime>> load(queue::Writer* writer) {
  SLUICE_ASSIGN(const auto saved, writer->state(kStartTimeKey));
  if (!saved) return std::nullopt;
  const auto time = parse_rfc3339(*saved);
  if (!time) return unreadable(kStartTimeKey, *saved);
  StartTime start{.time = *time, .generation = 0};
  SLUICE_ASSIGN(const auto generation, writer->state(kGenerationKey));
  if (!generation) return start;
  const char* const end = generation->data() + generation->size();
  const auto [rest, status] = std::from_chars(generation->data(), end, start.generation);
  if (status != std::errc() || rest != end) return unreadable(kGenerationKey, *generation);
  return start;
}

std::uint64_t queued_since(const queue::Ledger& ledger, queue::Lane lane, Day day) {
  std::uint64_t count = 0;
  for (const auto& [key, row] : ledger) {
    if (key.lane == lane && key.day >= day) count += row.queued;
  }
  return count;
}

std::string what_comes_twice(const queue::Ledger& ledger, Timestamp from) {
  const Day day = day_of(from);
  return fmt::format(
      "what the queue has of the days from {} on ({} audit events, {} of recordings), as far as it "
      "is from {} on, comes a second time, in Fluentd too; earlier events that were not fetched "
      "yet are left out",
      format_day(day), queued_since(ledger, queue::Lane::kAudit, day),
      queued_since(ledger, queue::Lane::kSession, day), format_rfc3339(from));
}

Result<void> erase_states(std::string_view prefix, queue::Writer* writer, queue::Append* append) {
  SLUICE_ASSIGN(const auto states, writer->states(prefix));
  for (const auto& [key, value] : states) append->erase_state(key);
  return {};
}

// Recordings on their way go on; those that are done are fetched again with their announcements.
Result<StartTime> begin_again(const StartTime& before, Timestamp from, const Clock& clock,
                              queue::Writer* writer) {
  const StartTime start{.time = from, .generation = before.generation + 1};
  queue::Append append;
  append.put_state(std::string(kStartTimeKey), format_rfc3339(from));
  append.put_state(std::string(kRestartedFromKey), format_rfc3339(from));
  append.put_state(std::string(kGenerationKey), std::to_string(start.generation));
  append.erase_state(std::string(kSearchKey));
  append.erase_state(std::string(kBulkFirstDayKey));
  append.erase_state(std::string(kIdsFromKey));
  SLUICE_TRY(erase_states(kBulkPrefix, writer, &append));
  SLUICE_TRY(erase_states(kBulkClosedPrefix, writer, &append));
  SLUICE_TRY(erase_states(kDoneRecordingPrefix, writer, &append));
  append.set_read_up_to({.time_ms = to_unix_ms(from), .looked_at_ms = to_unix_ms(clock.now())});
  SLUICE_TRY(writer->append(append));
  return start;
}

Result<StartTime> restart(const StartTime& before, const FetcherConfig& config, const Clock& clock,
                          queue::Writer* writer) {
  const Timestamp from = *config.restart_from;
  SLUICE_ASSIGN(const auto done, writer->state(kRestartedFromKey));
  if (done == format_rfc3339(from)) {
    log_message(message::kFetchingAgainGoesOn, {},
                "events were begun to be fetched again from {} on by an earlier start; going on",
                format_rfc3339(from));
    return before;
  }
  const std::string twice = what_comes_twice(writer->ledger(), from);
  if (!config.yes) {
    return fail(ErrorKind::kUsage,
                fmt::format("to fetch again from {} on: {}. Nothing was changed; to do it, add "
                            "--yes",
                            format_rfc3339(from), twice));
  }
  log_message(message::kFetchedAgain, {},
              "events are fetched again from {} on (until now the export began with {}): {}",
              format_rfc3339(from), format_rfc3339(before.time), twice);
  return begin_again(before, from, clock, writer);
}

}  // namespace

Result<StartTime> settle_start_time(const FetcherConfig& config, const Clock& clock,
                                    queue::Writer* writer) {
  SLUICE_ASSIGN(const auto saved, load(writer));
  if (!saved) {
    StartTime start{.time = Timestamp{clock.now().seconds, 0}, .generation = 0};
    if (config.start_time) start.time = *config.start_time;
    if (config.restart_from) start.time = *config.restart_from;
    queue::Append append;
    append.put_state(std::string(kStartTimeKey), format_rfc3339(start.time));
    if (config.restart_from) {
      append.put_state(std::string(kRestartedFromKey), format_rfc3339(start.time));
    }
    log_message(message::kFetchingFrom, {}, "fetching events from {} on",
                format_rfc3339(start.time));
    SLUICE_TRY(writer->append(append));
    return start;
  }
  if (config.restart_from) return restart(*saved, config, clock, writer);
  if (config.start_time && *config.start_time != saved->time) {
    log_message(
        message::kStartTimeIgnored, {},
        "start-time is {}, but this queue was begun with {}, which goes on to be used; to fetch "
        "again from another time on, start once with --restart-from TIME",
        format_rfc3339(*config.start_time), format_rfc3339(saved->time));
  }
  return *saved;
}

}  // namespace sluice::fetcher
