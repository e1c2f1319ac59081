// One replay job as a lane of its own: where its records come from, and where their end is written
// down.
//
// It reads the job's numbers through the queue's source, hands out those that the filter means, and
// saves the job's progress: with each commit, and now and then while nothing matches. When nothing
// is left, or it cannot be read, it saves the job's end, and read() returns kStopped, as it does
// once the job has been cancelled. Other errors are those of the queue or the store and concern the
// live flow too.
//
// A crash repeats what was handed out and not committed. Used by the job's lane thread alone.
#ifndef SLUICE_SHIPPER_REPLAY_REPLAY_WORK_H_
#define SLUICE_SHIPPER_REPLAY_REPLAY_WORK_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/replay_job.h"
#include "queue/types.h"
#include "shipper/completion_sink.h"
#include "shipper/record_source.h"
#include "shipper/replay/job_tracker.h"
#include "shipper/replay/rate_limit.h"

namespace sluice::shipper {

struct ReplayWorkParts {
  RecordSource* queue = nullptr;
  // DeliveryStore::save_replay() for this job.
  std::function<Result<queue::ReplayState>(const queue::ReplayProgress&)> save;
  // Makes the lane ask for records again at once.
  std::function<void()> wake;
  // Called on the lane's thread before the first read; may be empty.
  std::function<void()> begin;
  const Clock* clock = nullptr;
  std::set<queue::RecordKey> left_out = {};  // events that the job must not send
};

class ReplayWork final : public RecordSource, public CompletionSink {
 public:
  ReplayWork(const queue::ReplayJob& job, ReplayWorkParts parts);

  // `first` is not looked at: the work knows where it is.
  Result<std::vector<RecordPtr>> read(queue::Lane lane, queue::Seq first,
                                      const queue::ReadLimits& limits) override;
  Result<void> commit(queue::Lane lane, const Finished& finished) override;

 private:
  // The record to look at next; nothing if there is none now.
  Result<RecordPtr> next();
  Result<void> read_block();
  bool may_be_an_intention();
  bool has_reached_end() const;
  Result<void> save(queue::ReplayState state);
  Result<void> save_if_due();
  Result<void> end();

  queue::ReplayJob job_;
  ReplayWorkParts parts_;
  queue::ReplayMatcher matcher_;
  JobTracker tracker_;
  RateLimit rate_limit_;
  std::deque<RecordPtr> block_;  // read and not yet looked at
  std::size_t looked_at_ = 0;    // bytes, in this call of read()
  queue::ReplayState end_state_ = queue::ReplayState::kDone;
  bool cannot_read_on_ = false;
  std::optional<std::chrono::milliseconds> trimmed_since_;
  bool begun_ = false;
  queue::Seq saved_position_ = 0;
  std::chrono::milliseconds saved_at_{0};
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REPLAY_REPLAY_WORK_H_
