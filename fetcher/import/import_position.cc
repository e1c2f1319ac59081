#include "fetcher/import/import_position.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/import/handler_state.h"
#include "fetcher/ingest/ingest_loop.h"
#include "fetcher/source/bulk_state.h"
#include "fetcher/source/recording_state.h"
#include "fetcher/source/search_state.h"
#include "fetcher/source/state_fields.h"
#include "fetcher/start_time.h"

namespace sluice::fetcher {
namespace {

namespace fs = std::filesystem;

// In the queue's state: what was taken over from where, or that nothing was.
constexpr std::string_view kImportKey = "handler-position";
constexpr std::string_view kFolderField = "folder";
constexpr std::string_view kWrittenAtField = "written-at-ms";
constexpr std::string_view kTakenOverField = "taken-over";
constexpr std::string_view kLeftOutField = "left-out";

constexpr std::size_t kNamesShown = 3;
// Its clock may have been ahead of ours by so much. A time of its that lies further in the future
// is not believed.
constexpr std::int64_t kBelievedAheadSeconds = 3'600;

std::int64_t unix_ms(fs::file_time_type time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::file_clock::to_sys(time).time_since_epoch())
      .count();
}

Error explained(const Error& error, const fs::path& storage) {
  return {error.kind,
          fmt::format("the position of teleport-event-handler in {} cannot be read ({}): "
                      "sluice-fetcher's user must be allowed to enter each folder above it and to "
                      "read what is in it, and its unit does not see /home and /root; sluice-adopt "
                      "makes a copy that it can read",
                      storage.native(), error.message)};
}

template <typename T>
Result<T> explain(Result<T> result, const fs::path& storage) {
  if (result) return result;
  return fail(explained(result.error(), storage));
}

Result<void> refuse_if_running(fs::file_time_type written_at, const fs::path& folder,
                               const Clock& clock) {
  const std::chrono::milliseconds age(to_unix_ms(clock.now()) - unix_ms(written_at));
  if (std::chrono::abs(age) >= kHandlerIsGone) return {};
  return fail(
      ErrorKind::kBusy,
      fmt::format("{} was written {} ago, so teleport-event-handler is running: stop it "
                  "(systemctl disable --now teleport-event-handler). Its position is taken over "
                  "once nothing was written there for {}",
                  folder.native(), format_duration(std::max(age, std::chrono::milliseconds(0))),
                  format_duration(kHandlerIsGone)));
}

// Nothing was found. Whether it is certain that there is nothing.
Result<void> accept_absence(const Config& config, const fs::path& folder) {
  const auto others = handler_positions(config.storage);
  if (!others.empty()) {
    const std::size_t shown = std::min(others.size(), kNamesShown);
    return fail(
        ErrorKind::kConfig,
        fmt::format(
            "{} has no position of teleport-event-handler for teleport.addr = \"{}\" (a "
            "folder {}), but has {}{}: give teleport.addr as it was there, or take storage "
            "out of the configuration to begin without its position",
            config.storage.native(), config.teleport.addr, folder.filename().native(),
            fmt::join(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
            others.size() > shown ? ", …" : ""));
  }
  std::error_code error;
  if (!fs::exists(config.storage, error) && config.storage_is_relative &&
      !config.fetcher.start_time && !config.fetcher.restart_from) {
    return fail(
        ErrorKind::kConfig,
        fmt::format("storage means {}, which is not there, but teleport-event-handler took a "
                    "relative path to start in its working directory: write the whole path, or "
                    "take storage out of the configuration if there is no position to take over",
                    config.storage.native()));
  }
  log_message(message::kNoPosition, {},
              "there is no position of teleport-event-handler to take over in {}", folder.native());
  return {};
}

std::int64_t overlap_seconds(const Config& config) {
  return std::chrono::ceil<std::chrono::seconds>(config.fetcher.search_overlap).count();
}

// What is known of the time before which nothing is wanted.
Result<Timestamp> wanted_from(const Config& config, const HandlerState& state,
                              std::optional<Timestamp> position) {
  if (config.fetcher.restart_from) return *config.fetcher.restart_from;
  if (state.start_time) return std::min(*state.start_time, position.value_or(*state.start_time));
  if (position) return add_seconds(*position, -overlap_seconds(config));
  if (config.fetcher.start_time) return *config.fetcher.start_time;
  return fail(ErrorKind::kConfig,
              fmt::format("the position of teleport-event-handler in {} is damaged so that it does "
                          "not show from when on to fetch ({}): set start-time to a time up to "
                          "which it had certainly sent everything",
                          state.folder.native(), fmt::join(state.damage, "; ")));
}

// One import in the making.
class Import {
 public:
  Import(const Config& config, const Clock& clock, HandlerState state)
      : config_(config), state_(std::move(state)), now_(clock.now()) {
    // Of a clock that was wrong. What it has of such days is read again when they come.
    std::erase_if(state_.days, [&](const auto& day) { return day.first > day_of(now_) + 1; });
    disbelieve_future("start_time", &state_.start_time);
    disbelieve_future("window_time", &state_.window_time);
  }

  Result<void> write_to(queue::Writer* writer) {
    const auto position = position_of_it();
    SLUICE_ASSIGN(const Timestamp start, wanted_from(config_, state_, position));
    append_.put_state(std::string(kStartTimeKey), format_rfc3339(start));
    if (config_.fetcher.restart_from) {
      append_.put_state(std::string(kRestartedFromKey), format_rfc3339(start));
      goes_on_ = fmt::format("events are fetched from {} on, as --restart-from says",
                             format_rfc3339(start));
    } else if (!state_.days.empty()) {
      add_bulk();
    } else {
      add_search(position.value_or(start), start);
    }
    add_recordings();
    add_note();
    SLUICE_TRY(writer->append(append_));
    say();
    return {};
  }

 private:
  // Up to when everything was sent: the begin of the first day that is still open, or of the
  // window. A release that had no windows began at its start time each time.
  std::optional<Timestamp> position_of_it() const {
    if (!state_.days.empty()) return start_of_day(state_.days.begin()->first);
    return state_.window_time ? state_.window_time : state_.start_time;
  }

  // From a time that is still to come on, nothing of the present would be fetched.
  void disbelieve_future(std::string_view name, std::optional<Timestamp>* time) {
    if (!*time || **time <= now_) return;
    if (**time <= add_seconds(now_, kBelievedAheadSeconds)) {
      *time = now_;
      return;
    }
    state_.damage.push_back(fmt::format("{} is in the future, {}: it is not used",
                                        (state_.folder / name).native(), format_rfc3339(**time)));
    time->reset();
  }

  // Days between the saved ones are those that it had closed, while an earlier one was stuck.
  void add_bulk() {
    const Day first = state_.days.begin()->first;
    const Day last = state_.days.rbegin()->first;
    append_.put_state(std::string(kBulkFirstDayKey), format_day(first));
    std::size_t done = 0;
    std::size_t begun = 0;
    for (Day day = first; day <= last; ++day) {
      const auto found = state_.days.find(day);
      if (found == state_.days.end()) {
        append_.put_state(closed_day_key(day), "");
        continue;
      }
      for (const std::string& chunk : found->second.completed) {
        append_.put_state(chunk_key(day, chunk), std::string(kChunkDone));
      }
      for (const auto& [chunk, cursor] : found->second.cursors) {
        append_.put_state(chunk_key(day, chunk), encode_chunk_cursor(cursor));
      }
      done += found->second.completed.size();
      begun += found->second.cursors.size();
    }
    reached(start_of_day(first));
    goes_on_ = fmt::format(
        "the bulk export goes on in the days from {} on, of which it has read {} chunks and begun "
        "{}; what it sent within a second before it ended may come twice",
        format_day(first), done, begun);
  }

  // Its windows did not overlap, so what was stored late may be missing before this one.
  void add_search(Timestamp position, Timestamp start) {
    SearchState search;
    search.from = std::max(start, add_seconds(position, -overlap_seconds(config_)));
    search.sent_id = state_.last_id;
    search.sent_key = state_.page_key;
    append_.put_state(std::string(kSearchKey), encode_search_state(search));
    reached(search.from);
    goes_on_ = state_.last_id.empty()
                   ? fmt::format("the search goes on from {} on", format_rfc3339(search.from))
                   : fmt::format(
                         "the search goes on behind the last event that it sent, {}, or, if "
                         "Teleport does not have that any more, from {} on; what it sent within "
                         "{} before that event, and a second after it, may come twice",
                         state_.last_id, format_rfc3339(search.from),
                         format_duration(config_.fetcher.search_overlap));
  }

  // The ids of what was sent before are not known here. Where one way of reading takes over from
  // the other, it begins with the day behind that one.
  void reached(Timestamp time) {
    append_.put_state(std::string(kIdsFromKey), format_day(day_of(time) - 1));
    append_.set_read_up_to(
        {.time_ms = to_unix_ms(time), .looked_at_ms = unix_ms(state_.written_at)});
  }

  void add_recordings() {
    for (const auto& [sid, index] : state_.recordings) {
      if (!is_usable_sid(sid)) {
        log_message(
            message::kRecordingLeftOut, {.session_id = sid},
            "the recording \"{}\" of teleport-event-handler is not taken over: that is not a "
            "session id",
            sid.substr(0, 128));
        continue;
      }
      RecordingState recording;
      recording.announced_at_ms = to_unix_ms(now_);
      recording.sent_below = index;
      append_.put_state(recording_key(sid), encode_recording_state(recording));
      ++recordings_;
    }
  }

  void add_note() {
    StateFields fields;
    fields.set(kFolderField, state_.folder.native());
    fields.set_number(kWrittenAtField, unix_ms(state_.written_at));
    fields.set(kTakenOverField, format_rfc3339(now_));
    append_.put_state(std::string(kImportKey), fields.encode());
  }

  void say() const {
    for (const std::string& damage : state_.damage) {
      log_message(message::kPositionDamaged, {}, "in the position of teleport-event-handler {}",
                  damage);
    }
    log_message(
        message::kPositionTakenOver, {},
        "the position of teleport-event-handler was taken over from {} (last written {}): {}; "
        "recordings that it had not finished: {}",
        state_.folder.native(), format_rfc3339(from_unix_ms(unix_ms(state_.written_at))), goes_on_,
        recordings_);
  }

  const Config& config_;
  HandlerState state_;
  const Timestamp now_;
  queue::Append append_;
  std::string goes_on_;
  std::size_t recordings_ = 0;
};

// Of a queue that has a position of its own: nothing is taken over any more, which is said once;
// and a handler that runs again shows by what it writes.
Result<void> look_again(const fs::path& folder, const Clock& clock, queue::Writer* writer) {
  SLUICE_ASSIGN(const auto saved, writer->state(kImportKey));
  if (!saved) {
    const auto state = read_handler_state(folder);
    if (!state || !*state || !(*state)->has_position()) return {};
    log_message(
        message::kPositionLeftOut, {},
        "the position of teleport-event-handler in {} is not taken over: this queue has one "
        "of its own",
        folder.native());
    StateFields fields;
    fields.set(kLeftOutField, format_rfc3339(clock.now()));
    queue::Append append;
    append.put_state(std::string(kImportKey), fields.encode());
    return writer->append(append);
  }
  SLUICE_ASSIGN(const StateFields fields, StateFields::decode(*saved));
  if (!fields.find(kWrittenAtField) || fields.find(kFolderField) != folder.native()) return {};
  SLUICE_ASSIGN(const std::int64_t written_at_ms, fields.number(kWrittenAtField));
  const auto written_at = handler_written_at(folder);
  if (!written_at || unix_ms(*written_at) <= written_at_ms) return {};
  log_message(
      message::kHandlerRunsAgain, {},
      "{} was written at {}, after its position had been taken over: teleport-event-handler "
      "was started again, and what it sends comes twice; stop it (systemctl disable --now "
      "teleport-event-handler)",
      folder.native(), format_rfc3339(from_unix_ms(unix_ms(*written_at))));
  return {};
}

}  // namespace

Result<void> import_position(const Config& config, const Clock& clock, queue::Writer* writer) {
  if (config.storage.empty()) return {};
  const fs::path folder = config.storage / handler_folder_name(config.teleport.addr);
  SLUICE_ASSIGN(const auto begun, writer->state(kStartTimeKey));
  if (begun) return look_again(folder, clock, writer);
  SLUICE_ASSIGN(auto state, explain(read_handler_state(folder), config.storage));
  if (!state || !state->has_position()) return accept_absence(config, folder);
  SLUICE_TRY(refuse_if_running(state->written_at, folder, clock));
  return Import(config, clock, std::move(*state)).write_to(writer);
}

}  // namespace sluice::fetcher
