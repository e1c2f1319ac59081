// Where the export begins: chosen at a queue's first start, and changed later only on request.
//
// To begin again elsewhere means that everything from there on is fetched anew, and so delivered a
// second time where it was fetched before: the ids of it that are remembered count no more. It is
// done in one synced write. Used from the Writer's thread, before there are any sources.
#ifndef SLUICE_FETCHER_START_TIME_H_
#define SLUICE_FETCHER_START_TIME_H_

#include <cstdint>
#include <string_view>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "queue/writer.h"

namespace sluice::fetcher {

// In the queue's state. A queue that does not have the first was not begun yet.
inline constexpr std::string_view kStartTimeKey = "start-time";
inline constexpr std::string_view kRestartedFromKey = "restarted-from";

struct StartTime {
  Timestamp time;
  // How often the export was begun again: ids of different generations are not compared.
  std::uint32_t generation = 0;
};

// Loads the start time, or chooses and saves it, and begins again elsewhere if config.restart_from
// asks for it and it was not done yet. kUsage: it asks for it without config.yes; the sentence says
// what would come twice. kCorrupt: what was saved is not of this program; other errors are the
// Writer's.
Result<StartTime> settle_start_time(const FetcherConfig& config, const Clock& clock,
                                    queue::Writer* writer);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_START_TIME_H_
