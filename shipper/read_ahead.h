// The records of a lane that have been read and not yet sent, arranged in batches.
//
// In the session lane the recordings of several sessions are interleaved, and a request can carry
// only one of them. So records join the batch of their route that is already waiting, and the
// batches go out in the order of their first records. With `strict_order` only records that follow
// each other share a batch, and the batches go out in the lane's order.
//
// There a record is copied out of the block that it was read into: it may wait long for its
// recording's turn, and would keep the whole block alive.
//
// Bounded: it holds no more than `records_max` records and, past the first, `bytes_max` of bodies.
// One thread.
#ifndef SLUICE_SHIPPER_READ_AHEAD_H_
#define SLUICE_SHIPPER_READ_AHEAD_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/error.h"
#include "queue/delivery_store.h"
#include "queue/types.h"
#include "shipper/batch.h"
#include "shipper/record_source.h"

namespace sluice::shipper {

struct ReadAheadOptions {
  queue::Lane lane = queue::Lane::kAudit;
  std::size_t batch_events = 500;
  std::size_t batch_bytes = 512U << 10;
  std::size_t records_max = 2000;
  std::size_t bytes_max = 2U << 20;
  bool strict_order = false;
};

class ReadAhead {
 public:
  // Begins after `progress.position` and leaves out what is completed beyond it.
  ReadAhead(const ReadAheadOptions& options, RecordSource* source,
            const queue::LaneProgress& progress);

  // Reads once, if there is room. Returns the records that stand in an event's place and are not to
  // be sent (rejects, gaps). `*found` says whether there was anything to read.
  Result<std::vector<RecordPtr>> fill(bool* found);

  // The first waiting batch whose route is not in `busy`.
  std::optional<Batch> take(const std::set<std::string, std::less<>>& busy);

  // Events with these numbers are not handed out any more, read already or not.
  void leave_out(const std::set<queue::Seq>& numbers);

  bool empty() const { return waiting_.empty(); }

 private:
  bool has_room() const { return records_ < options_.records_max && bytes_ < options_.bytes_max; }
  queue::ReadLimits limits();
  void place(RecordPtr record);
  Batch* batch_with_room(const queue::StoredRecord& record);

  ReadAheadOptions options_;
  RecordSource* source_;
  queue::Seq next_;
  std::deque<queue::SeqRange> completed_;  // beyond next_, ascending
  std::deque<Batch> waiting_;
  std::set<queue::Seq> left_out_;
  std::size_t records_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_READ_AHEAD_H_
