// Makes a new queue of what is readable in a damaged one. Internal to queue/; `queuectl repair`
// calls it.
//
// Both daemons must be stopped (kBusy). The new database is made beside the old one and takes its
// place in one rename; the old one is kept as queue/db.damaged-TIME. A kill at any moment leaves
// the old queue or the whole new one, and a second run removes what a first one left. Each number
// that is lost gets a record of kind gap; numbers, epochs, ledger, state and identity stay as they
// are. What the fetcher's cursors cover is never left out in silence: gaps are written up to there.
// Works as the owner of the folders (see folder_owner.h). One thread.
#ifndef SLUICE_QUEUE_REPAIR_H_
#define SLUICE_QUEUE_REPAIR_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/instance.h"
#include "queue/types.h"

namespace sluice::queue {

struct LaneRepair {
  Seq floor = 1;
  Seq last = 0;              // where the new queue ends
  std::uint64_t kept = 0;    // records
  std::uint64_t lost = 0;    // numbers that are gaps now and were not before
  std::uint64_t undone = 0;  // numbers at the end that had been published and are fetched again
};

struct LostRange {
  Lane lane = Lane::kAudit;
  SeqRange numbers;
};
inline constexpr std::size_t kLostRangesShown = 100;

struct RepairReport {
  bool was_finished = false;  // it only finished what an earlier run had begun
  PerLane<LaneRepair> lanes;
  std::vector<LostRange> ranges;  // the first kLostRangesShown
  std::uint64_t range_count = 0;
  std::vector<std::string> notes;  // what was damaged, and what follows from it
  std::uint64_t bytes_needed = 0;
  std::filesystem::path aside;  // where the old database is now; empty for a dry run
};

struct RepairOptions {
  InstancePaths paths;
  Machine machine;
  const Clock* clock = nullptr;  // nullptr: the system's
  std::string reason;            // for the journal
  bool dry_run = false;          // count only
  bool refetch = false;          // drop the fetcher's state, even if it looks whole
  std::function<void(std::uint64_t records)> progress;  // called now and then; may be empty
  // Called before each step that changes what a start would find, for tests that stop there.
  std::function<Result<void>(std::string_view)> step;
};

Result<RepairReport> repair_queue(const RepairOptions& options);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_REPAIR_H_
