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
// A batch that is not full waits until its first record was read `linger` ago, in case more come.
//
// Bounded: it holds no more than `records_max` records and, past the first, `bytes_max` of bodies.
// One thread. The caller brings the time (Clock::monotonic()).
#ifndef SLUICE_SHIPPER_READ_AHEAD_H_
#define SLUICE_SHIPPER_READ_AHEAD_H_

#include <chrono>
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
  std::chrono::milliseconds linger{0};
};

class ReadAhead {
 public:
  // Begins after `progress.position` and leaves out what is completed beyond it.
  ReadAhead(const ReadAheadOptions& options, RecordSource* source,
            const queue::LaneProgress& progress);

  // Reads once, if there is room. Returns the records that stand in an event's place and are not to
  // be sent (rejects, gaps). `*found` says whether there was anything to read.
  Result<std::vector<RecordPtr>> fill(bool* found, std::chrono::milliseconds now);

  // Batches are to be no larger from now on, those that wait included.
  void limit_batches(std::size_t events, std::size_t bytes);

  // The first batch whose route is not in `busy`, and which need not wait for more.
  std::optional<Batch> take(const std::set<std::string, std::less<>>& busy,
                            std::chrono::milliseconds now);
  // How long until a batch no longer waits for more; nothing: none does.
  std::optional<std::chrono::milliseconds> wait(std::chrono::milliseconds now) const;

  // Events with these numbers are not handed out any more, read already or not.
  void leave_out(const std::set<queue::Seq>& numbers);

  bool empty() const { return waiting_.empty(); }

 private:
  struct Waiting {
    Batch batch;
    std::chrono::milliseconds since;
    bool is_closed = false;  // the next record of its route did not fit
  };

  bool has_room() const { return records_ < options_.records_max && bytes_ < options_.bytes_max; }
  void step_over();
  queue::ReadLimits limits() const;
  void place(RecordPtr record, std::chrono::milliseconds now);
  Batch* batch_with_room(const queue::StoredRecord& record);
  bool may_go(const Waiting& waiting, std::chrono::milliseconds now) const;

  ReadAheadOptions options_;
  RecordSource* source_;
  queue::Seq next_;
  std::deque<queue::SeqRange> completed_;  // beyond next_, ascending
  std::deque<Waiting> waiting_;
  std::set<queue::Seq> left_out_;
  std::size_t records_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_READ_AHEAD_H_
