#include "shipper/replay/job_tracker.h"

#include <algorithm>

#include "common/check.h"

namespace sluice::shipper {

using queue::Seq;
using queue::SeqRange;

JobTracker::JobTracker(Seq position, const std::vector<SeqRange>& completed)
    : scanned_(position), earlier_(completed.begin(), completed.end()) {}

bool JobTracker::was_completed(Seq seq) const {
  return std::ranges::any_of(
      earlier_, [seq](const SeqRange& range) { return range.first <= seq && seq <= range.last; });
}

void JobTracker::hand_out(Seq seq) {
  SLUICE_CHECK(seq > scanned_, "a number is looked at once");
  handed_out_.push_back({seq, was_completed(seq)});
  pass_over(seq);
  drop_finished_front();
}

void JobTracker::pass_over(Seq seq) {
  scanned_ = std::max(scanned_, seq);
  while (!earlier_.empty() && earlier_.front().last <= scanned_) earlier_.pop_front();
}

void JobTracker::finish(Seq seq) {
  const auto entry = std::ranges::lower_bound(handed_out_, seq, {}, &Entry::seq);
  SLUICE_CHECK(entry != handed_out_.end() && entry->seq == seq && !entry->finished,
               "a number that is finished was handed out, and is finished once");
  entry->finished = true;
  drop_finished_front();
}

void JobTracker::drop_finished_front() {
  while (!handed_out_.empty() && handed_out_.front().finished) handed_out_.pop_front();
}

Seq JobTracker::position() const {
  return handed_out_.empty() ? scanned_ : handed_out_.front().seq - 1;
}

std::vector<SeqRange> JobTracker::completed() const {
  std::vector<SeqRange> ranges;
  bool joins = false;
  for (const Entry& entry : handed_out_) {
    if (entry.finished && joins) {
      ranges.back().last = entry.seq;
    } else if (entry.finished) {
      ranges.push_back({entry.seq, entry.seq});
    }
    joins = entry.finished;
  }
  for (const SeqRange& range : earlier_) {
    if (range.last > scanned_) ranges.push_back({std::max(range.first, scanned_ + 1), range.last});
  }
  return ranges;
}

}  // namespace sluice::shipper
