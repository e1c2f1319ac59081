// Where the window search stands, as it is saved in the queue's state under "search".
//
// A page key belongs to the window and the types that it was given for, so it is saved with them
// and dropped when they differ. Value type.
#ifndef SLUICE_FETCHER_SOURCE_SEARCH_STATE_H_
#define SLUICE_FETCHER_SOURCE_SEARCH_STATE_H_

#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/time.h"

namespace sluice::fetcher {

inline constexpr std::string_view kSearchKey = "search";

struct SearchState {
  Timestamp from;                   // everything before is in the queue
  std::optional<Timestamp> newest;  // of the events received that were not ahead of our clock
  // The page to ask for next; empty: the window's first, and then what follows means nothing.
  std::string page_key;
  Timestamp to;
  std::string types;                // joined with commas
  std::optional<Timestamp> opened;  // it was later at Teleport when the first page was asked for
  // Of a position that was taken over from teleport-event-handler, until its place is found: the
  // last event that it sent, and the key of the page that had it.
  std::string sent_id = {};
  std::string sent_key = {};

  bool operator==(const SearchState&) const = default;
};

std::string encode_search_state(const SearchState& state);
Result<SearchState> decode_search_state(std::string_view text);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_SEARCH_STATE_H_
