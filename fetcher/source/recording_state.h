// How far one session recording has been taken, as it is saved in the queue's state under
// "recording/SID".
//
// A recording is taken up again at the last event index and the count of events that had it, since
// Teleport can start a stream at an index, and several events may share one. Both are counted
// before any filter. If an index is ever lower than the one before it, indexes cannot be trusted in
// that recording, and it is taken up by the count of all its events instead. Value type.
#ifndef SLUICE_FETCHER_SOURCE_RECORDING_STATE_H_
#define SLUICE_FETCHER_SOURCE_RECORDING_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice::fetcher {

inline constexpr std::string_view kRecordingPrefix = "recording/";
// Recordings that could not be had: "recording-lost/SID", with when and why.
inline constexpr std::string_view kLostRecordingPrefix = "recording-lost/";
// Recordings that were read to their end: "recording-done/SID", with when (RFC 3339). A further
// announcement of one is no reason to fetch it again, for as long as this is kept.
inline constexpr std::string_view kDoneRecordingPrefix = "recording-done/";
inline constexpr std::int64_t kDoneRecordingKeptMs = 7LL * 24 * 3'600'000;

struct RecordingState {
  std::int64_t announced_at_ms = 0;   // unix time by our clock at which its upload was seen
  std::uint64_t taken = 0;            // events of it that are in the queue or were filtered
  std::int64_t last_index = 0;        // of the last one taken
  std::uint64_t taken_at_index = 0;   // how many with that index were taken
  bool by_count = false;              // an index was lower than the one before it
  std::uint32_t tries = 0;            // that failed although Teleport answered, one after the other
  std::int64_t failing_since_ms = 0;  // unix time by our clock of the first of them; 0: none
  // Of a recording that teleport-event-handler had begun: what lies before its first event with
  // this index, or a higher one, was sent by that. 0: nothing was, or that event has been reached.
  std::int64_t sent_below = 0;

  // Whether the next event, which has this index, was sent by teleport-event-handler; it is then
  // counted as taken.
  bool passes_over(std::int64_t index);
  // Counts an event as taken; what failed before it is over.
  void take(std::int64_t index);
  void count_failure(std::int64_t now_ms);
  bool operator==(const RecordingState&) const = default;
};

std::string recording_key(std::string_view sid);
std::string done_recording_key(std::string_view sid);
std::string encode_recording_state(const RecordingState& state);
Result<RecordingState> decode_recording_state(std::string_view text);

// Whether a recording can be asked for and stored under this id: 1 to 128 letters, digits, '-', '_'
// and '.', as every id that Teleport makes.
bool is_usable_sid(std::string_view sid);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_RECORDING_STATE_H_
