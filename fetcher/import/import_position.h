// Takes over the position of Teleport's own teleport-event-handler, when the queue has none yet.
//
// One synced write: whatever ends the process, the next start finds either all of it or nothing and
// does it again. What it writes is the sources' own state, so that nothing else has to know of it;
// but for the id of the last event that was sent, which Teleport is asked about (last_sent.h).
// Where something is not known, more is fetched, never less. On the Writer's thread, before there
// are any sources and before the start time is settled.
#ifndef SLUICE_FETCHER_IMPORT_IMPORT_POSITION_H_
#define SLUICE_FETCHER_IMPORT_IMPORT_POSITION_H_

#include <chrono>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "queue/writer.h"

namespace sluice::fetcher {

// A handler that has written within this time is taken for one that runs.
inline constexpr std::chrono::seconds kHandlerIsGone{120};

// Does nothing without config.storage, and says once what else it does or leaves. kBusy: the
// handler runs; kCannotCreate, kIo: its folder cannot be read; kConfig: it is not clear where to go
// on, and the sentence says what to set; other errors are the Writer's.
Result<void> import_position(const Config& config, const Clock& clock, queue::Writer* writer);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_IMPORT_IMPORT_POSITION_H_
