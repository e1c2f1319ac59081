// Which numbers of a replay job are finished: from them follow its position, and what a restart
// must not send again.
//
// Only the numbers that the job sends are told; those in between count as finished once the job has
// looked at them. Bounded by what is handed out and not finished. One thread.
#ifndef SLUICE_SHIPPER_REPLAY_JOB_TRACKER_H_
#define SLUICE_SHIPPER_REPLAY_JOB_TRACKER_H_

#include <deque>
#include <vector>

#include "queue/types.h"

namespace sluice::shipper {

class JobTracker {
 public:
  // `completed`: finished beyond the position, by an earlier process.
  JobTracker(queue::Seq position, const std::vector<queue::SeqRange>& completed);

  // The next number to look at.
  queue::Seq next() const { return scanned_ + 1; }
  // `seq` is next() or beyond. It is one of the job's (and to be sent, unless it was completed by
  // an earlier process), or is not.
  void hand_out(queue::Seq seq);
  void pass_over(queue::Seq seq);
  // Whether it was finished by an earlier process.
  bool was_completed(queue::Seq seq) const;
  // A number that was handed out is sent or refused.
  void finish(queue::Seq seq);

  bool is_idle() const { return handed_out_.empty(); }  // nothing is under way
  queue::Seq position() const;
  std::vector<queue::SeqRange> completed() const;

 private:
  struct Entry {
    queue::Seq seq;
    bool finished;
  };
  void drop_finished_front();

  queue::Seq scanned_;                   // the numbers up to here have been looked at
  std::deque<queue::SeqRange> earlier_;  // completed by an earlier process and not yet looked at
  std::deque<Entry> handed_out_;         // ascending; the first is not finished
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REPLAY_JOB_TRACKER_H_
