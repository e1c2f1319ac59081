// What Teleport's own teleport-event-handler has left of its position, as it is read from its
// folder. Nothing is ever written there.
//
//   STORAGE/HOST_PORT/start_time, window_time             RFC 3339, whole seconds
//                     cursor                              key of the page that it was on (search)
//                     id                                  of the last event that it sent (search)
//                     sessionSID                          8 bytes, big-endian: index of the last
//                                                         event of a recording that it sent
//                     missing_recordingSID                {"Index":0,"Attempt":1,"Timestamp":"…"}
//                     cursor_v2/2026-11-21/completed-chunks   a name a line (bulk export)
//                     cursor_v2/2026-11-21/NAME.chunk         the cursor in a chunk begun
//
// Its files are not written atomically, and most of them not synced, so a power cut leaves empty
// and cut ones. What cannot be understood is left out in such a way that more is fetched, never
// less, and is said in `damage`. Value types; any thread.
#ifndef SLUICE_FETCHER_IMPORT_HANDLER_STATE_H_
#define SLUICE_FETCHER_IMPORT_HANDLER_STATE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/time.h"

namespace sluice::fetcher {

struct HandlerDay {
  std::set<std::string, std::less<>> completed;
  std::map<std::string, std::string, std::less<>> cursors;  // of chunks begun
};

struct HandlerState {
  std::filesystem::path folder;
  std::optional<Timestamp> start_time;
  std::optional<Timestamp> window_time;
  std::string page_key;
  std::string last_id;
  std::map<Day, HandlerDay> days;                  // of the bulk export
  std::map<std::string, std::int64_t> recordings;  // what it sent reaches to this index
  std::vector<std::string> damage;                 // sentences
  std::filesystem::file_time_type written_at{};    // when anything in it last changed

  bool has_position() const;
};

// "HOST_PORT", by which it names the folder of a cluster. `addr` is HOST:PORT.
std::string handler_folder_name(std::string_view addr);

// Nothing: there is no such folder. kCannotCreate: it must not be read by us; kIo: it cannot be.
Result<std::optional<HandlerState>> read_handler_state(const std::filesystem::path& folder);

// When anything in it was last changed, the trials of dry runs left out. Errors as above.
Result<std::filesystem::file_time_type> handler_written_at(const std::filesystem::path& folder);

// The names of folders in `storage` that hold a position, in their order; none if it cannot be
// read.
std::vector<std::string> handler_positions(const std::filesystem::path& storage);

// How single files are understood. Each takes any bytes.
std::vector<std::string> parse_completed_chunks(std::string_view bytes, bool* is_cut);
std::optional<std::int64_t> parse_session_index(std::string_view bytes);
std::optional<std::int64_t> parse_missing_recording(std::string_view bytes);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_IMPORT_HANDLER_STATE_H_
