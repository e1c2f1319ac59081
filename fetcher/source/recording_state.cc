#include "fetcher/source/recording_state.h"

#include <algorithm>

#include "fetcher/source/state_fields.h"

namespace sluice::fetcher {

void RecordingState::take(std::int64_t index) {
  if (taken > 0 && index < last_index) by_count = true;
  taken_at_index = taken > 0 && index == last_index ? taken_at_index + 1 : 1;
  last_index = index;
  ++taken;
  tries = 0;
  failing_since_ms = 0;
}

bool RecordingState::passes_over(std::int64_t index) {
  if (sent_below == 0) return false;
  if (index >= sent_below) {
    sent_below = 0;
    return false;
  }
  take(index);
  return true;
}

void RecordingState::count_failure(std::int64_t now_ms) {
  if (failing_since_ms == 0) failing_since_ms = now_ms;
  ++tries;
}

std::string recording_key(std::string_view sid) {
  return std::string(kRecordingPrefix).append(sid);
}

std::string done_recording_key(std::string_view sid) {
  return std::string(kDoneRecordingPrefix).append(sid);
}

std::string encode_recording_state(const RecordingState& state) {
  StateFields fields;
  fields.set_number("announced-at-ms", state.announced_at_ms);
  fields.set_number("taken", static_cast<std::int64_t>(state.taken));
  fields.set_number("last-index", state.last_index);
  fields.set_number("taken-at-index", static_cast<std::int64_t>(state.taken_at_index));
  fields.set_number("by-count", state.by_count ? 1 : 0);
  fields.set_number("tries", state.tries);
  if (state.failing_since_ms != 0) fields.set_number("failing-since-ms", state.failing_since_ms);
  if (state.sent_below != 0) fields.set_number("sent-below", state.sent_below);
  return fields.encode();
}

Result<RecordingState> decode_recording_state(std::string_view text) {
  SLUICE_ASSIGN(const StateFields fields, StateFields::decode(text));
  SLUICE_ASSIGN(const std::int64_t announced_at_ms, fields.number("announced-at-ms"));
  SLUICE_ASSIGN(const std::int64_t taken, fields.number("taken"));
  SLUICE_ASSIGN(const std::int64_t last_index, fields.number("last-index"));
  SLUICE_ASSIGN(const std::int64_t taken_at_index, fields.number("taken-at-index"));
  SLUICE_ASSIGN(const std::int64_t by_count, fields.number("by-count"));
  SLUICE_ASSIGN(const std::int64_t tries, fields.number("tries"));
  std::int64_t failing_since_ms = 0;
  if (fields.find("failing-since-ms")) {
    SLUICE_ASSIGN(failing_since_ms, fields.number("failing-since-ms"));
  }
  std::int64_t sent_below = 0;
  if (fields.find("sent-below")) {
    SLUICE_ASSIGN(sent_below, fields.number("sent-below"));
  }
  return RecordingState{.announced_at_ms = announced_at_ms,
                        .taken = static_cast<std::uint64_t>(taken),
                        .last_index = last_index,
                        .taken_at_index = static_cast<std::uint64_t>(taken_at_index),
                        .by_count = by_count != 0,
                        .tries = static_cast<std::uint32_t>(tries),
                        .failing_since_ms = failing_since_ms,
                        .sent_below = sent_below};
}

bool is_usable_sid(std::string_view sid) {
  constexpr std::size_t kSidBytesMax = 128;
  const auto is_usable = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !sid.empty() && sid.size() <= kSidBytesMax &&
         std::all_of(sid.begin(), sid.end(), is_usable);
}

}  // namespace sluice::fetcher
