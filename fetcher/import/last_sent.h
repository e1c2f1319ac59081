// Finds out from Teleport when the last event happened that teleport-event-handler had sent.
//
// Its files name that event by its id only, and the time of its window, which may be a day before.
// It sent a window's events in the order in which Teleport lists them, which is that of their
// times, so the window search need not begin before that event. Any thread.
#ifndef SLUICE_FETCHER_IMPORT_LAST_SENT_H_
#define SLUICE_FETCHER_IMPORT_LAST_SENT_H_

#include <optional>
#include <stop_token>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/search_state.h"

namespace sluice::fetcher {

// On the page that the handler was on; then, if that cannot be had or the event is not there, from
// the window's start on. Nothing: Teleport does not have it. Errors as of EventApi::search().
Result<std::optional<Timestamp>> find_last_sent(const SearchState& search,
                                                const FetcherConfig& config, const Clock& clock,
                                                EventApi* api, const std::stop_token& stop);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_IMPORT_LAST_SENT_H_
