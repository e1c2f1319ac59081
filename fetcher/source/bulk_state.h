// What the bulk export remembers in the queue's state: the first day that is still listed, and for
// each chunk of the days from there on how far it was read.
//
//   "bulk-first-day"         2026-11-21
//   "bulk/2026-11-21/CHUNK"  "done", "lost" (Teleport no longer had it), or "at CURSOR"
//   "bulk-closed/2026-11-22" a day behind the first one that is not listed any more: only in a
//                            position that was taken over from teleport-event-handler
//
// Value types; any thread.
#ifndef SLUICE_FETCHER_SOURCE_BULK_STATE_H_
#define SLUICE_FETCHER_SOURCE_BULK_STATE_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/time.h"

namespace sluice::fetcher {

inline constexpr std::string_view kBulkFirstDayKey = "bulk-first-day";
inline constexpr std::string_view kBulkPrefix = "bulk/";
inline constexpr std::string_view kBulkClosedPrefix = "bulk-closed/";
inline constexpr std::string_view kChunkDone = "done";
inline constexpr std::string_view kChunkLost = "lost";

struct ChunkProgress {
  bool finished = false;  // done or lost: not to be read again
  std::string cursor;     // where to go on; empty: at the start
  bool operator==(const ChunkProgress&) const = default;
};

struct BulkState {
  std::optional<Day> first_day;  // nothing: the bulk export has not begun
  std::map<Day, std::map<std::string, ChunkProgress>> days;
  std::set<Day> closed;  // behind first_day
};

std::string chunk_key(Day day, std::string_view chunk);
std::string closed_day_key(Day day);
std::string encode_chunk_cursor(std::string_view cursor);

// `first_day`: the value under kBulkFirstDayKey; `chunks` and `closed`: all keys with kBulkPrefix
// and kBulkClosedPrefix. kCorrupt if they were not written by this program.
Result<BulkState> decode_bulk_state(
    const std::optional<std::string>& first_day,
    const std::vector<std::pair<std::string, std::string>>& chunks,
    const std::vector<std::pair<std::string, std::string>>& closed = {});

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_BULK_STATE_H_
