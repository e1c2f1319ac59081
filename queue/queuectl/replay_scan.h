// Looks through the kept numbers of a lane for the events that a replay would send.
//
// Needs no shipper and changes nothing.
#ifndef SLUICE_QUEUE_QUEUECTL_REPLAY_SCAN_H_
#define SLUICE_QUEUE_QUEUECTL_REPLAY_SCAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/time.h"
#include "queue/queuectl/access.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace sluice::queue {

struct ReplayQuestion {
  Lane lane = Lane::kAudit;
  std::optional<Seq> from_seq;  // both included
  std::optional<Seq> to_seq;
  ReplayFilter filter;
};

// An event that was found, for people.
struct FoundEvent {
  Seq seq = 0;
  Timestamp time;
  std::string type;
  std::string id;
};

// How many of the numbers asked for are gone.
struct TrimmedCount {
  std::uint64_t count = 0;
  bool is_exact = true;    // else: at most `count`
  std::string known_from;  // how it is known, for people; empty for none
};

struct ReplayScan {
  SeqRange asked;       // the numbers asked for, cut at the position
  Seq position = 0;     // beyond it everything comes anyway
  Seq floor = 1;        // the first number that is kept
  bool is_cut = false;  // numbers beyond the position were asked for
  std::uint64_t matched = 0;
  std::uint64_t bytes = 0;
  FoundEvent first;  // of those that match, if any does
  FoundEvent last;
  TrimmedCount trimmed;
};

// `on_progress` is told now and then how many of how many numbers have been looked at. kUsage:
// nothing that was delivered is asked for.
Result<ReplayScan> scan_for_replay(
    Access* access, const ReplayQuestion& question,
    const std::function<void(std::uint64_t done, std::uint64_t all)>& on_progress);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_REPLAY_SCAN_H_
