// Everything that `status` and `report` show, as numbers of one moment that add up.
//
// fetched = acknowledged + backlog + dead + skipped + gap, a lane. `unaccounted` is what is missing
// from that sum when the published numbers and the two ledgers are held against each other: 0
// unless something is wrong. What a killed fetcher had written and not published counts nowhere
// until its next start publishes it.
#ifndef SLUICE_QUEUE_QUEUECTL_SNAPSHOT_H_
#define SLUICE_QUEUE_QUEUECTL_SNAPSHOT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/daemon_note.h"
#include "queue/delivery_reader.h"
#include "queue/disk_limits.h"
#include "queue/ledger.h"
#include "queue/queuectl/access.h"
#include "queue/queuectl/letters.h"
#include "queue/read_up_to.h"
#include "queue/replay_job.h"
#include "queue/sink_report.h"
#include "queue/types.h"

namespace sluice::queue {

struct LaneStatus {
  std::uint64_t fetched = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t backlog = 0;
  std::uint64_t dead = 0;
  std::uint64_t skipped = 0;
  std::uint64_t gap = 0;
  std::int64_t unaccounted = 0;
  std::uint64_t filtered = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t voided = 0;
  Seq position = 0;
  Seq floor = 1;  // the first number that is kept; those before it are trimmed
  std::optional<std::int64_t> kept_since_ms;  // when that one was fetched; nothing: none is kept
  std::optional<std::int64_t>
      oldest_ms;  // when the first event of the backlog was fetched (unix time)
  std::optional<std::int64_t> acknowledged_ms;  // when the sink last took an event (unix time)
  // Of the events in the backlog, nearly; nothing: there are none, or they cannot be read.
  std::optional<std::uint64_t> backlog_bytes;
  // Events in the last minute: committed by the fetcher, accounted for by the shipper. Nothing: not
  // known.
  std::optional<double> in_per_second;
  std::optional<double> out_per_second;
  std::string damage;  // a record that was looked at and is damaged; empty: none
};

struct DiskStatus {
  std::uint64_t used = 0;       // by the queue's folder
  std::uint64_t trimmable = 0;  // of that, by delivered events, as far as known
  DiskSpace space;              // of its file system
  // How fast the queue would grow if nothing were trimmed, from the last day; nothing: not known.
  std::optional<std::uint64_t> bytes_a_day;
};

struct DaemonStatus {
  std::optional<bool> running;     // nothing: its lock may not be looked at
  int pid = 0;                     // 0: not known
  std::optional<DaemonNote> note;  // what it says of itself, or said last
  bool is_note_current = false;    // it runs, and has said so just now
};

// How long until the backlog is gone if both rates stay; nothing: there is none, or it does not
// shrink.
std::optional<std::chrono::milliseconds> drained_in(const LaneStatus& lane);

struct Snapshot {
  Timestamp taken;
  Id128 queue_id;
  std::string cluster;
  std::uint64_t epoch = 0;
  std::optional<ReadUpTo> read_up_to;
  DaemonStatus fetcher;
  DaemonStatus shipper;
  // Why the delivery store could not be read; its numbers are then 0 and say nothing.
  std::optional<Error> delivery_problem;
  PerLane<LaneStatus> lanes;
  DiskStatus disk;
  Ledger ledger;  // both halves
  std::vector<ReplayJob> replays;
  LetterSummary letters;
  // How many events a crash of the shipper that runs, or ran last, can send again, as it has
  // published it; nothing if it has not.
  std::optional<std::uint64_t> crash_repeats_max;
  // What the shipper that runs says of its sink; nothing if none runs or it does not answer.
  std::optional<SinkReport> sink;
};

// kBusy when no consistent view could be had in a few seconds.
Result<Snapshot> take_snapshot(Access* access);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_SNAPSHOT_H_
