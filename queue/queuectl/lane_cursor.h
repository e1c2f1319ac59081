// Reads a lane from a number on, in order and without a gap, over restarts of the fetcher.
//
// One thread; `access` must outlive it.
#ifndef SLUICE_QUEUE_QUEUECTL_LANE_CURSOR_H_
#define SLUICE_QUEUE_QUEUECTL_LANE_CURSOR_H_

#include <cstdint>

#include "common/error.h"
#include "queue/queuectl/access.h"
#include "queue/reader.h"
#include "queue/types.h"

namespace sluice::queue {

class LaneCursor {
 public:
  // Reads on from `next`, in the epoch that the reader has open now or in later ones.
  LaneCursor(Access* access, Lane lane, Seq next, std::uint64_t epoch)
      : access_(*access), lane_(lane), next_(next), epoch_(epoch) {}

  // What comes next; empty: nothing is committed yet. After these two errors it may be called
  // again, and begins with next():
  //   kEpochChanged  the queue has lost numbers that had been read, and gives them to other events
  //   kTrimmed       the next numbers are no longer kept
  // kBusy: the fetcher opens the queue, for longer than a few seconds.
  Result<RecordBatch> read(const ReadLimits& limits);

  Lane lane() const { return lane_; }
  Seq next() const { return next_; }

 private:
  Result<RecordBatch> try_read(const ReadLimits& limits);
  Result<void> follow_epochs(Reader* reader);

  Access& access_;
  Lane lane_;
  Seq next_;
  std::uint64_t epoch_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_LANE_CURSOR_H_
