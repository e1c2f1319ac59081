#include "shipper/replay/replay_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "shipper/own_record.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

// One read of the queue, larger than the live flow's, since most of it may not be meant.
constexpr queue::ReadLimits kBlock{.records_max = 2000, .bytes_max = 1U << 20};
// After so many bytes the lane looks whether it is to stop, and takes what answers there are.
constexpr std::size_t kLookedAtMax = 8U << 20;
constexpr std::size_t kBytesOfNoBody = 100;  // what a record costs besides its body
constexpr milliseconds kSaveInterval{1000};
// A range that is out of reach for longer is trimmed.
constexpr milliseconds kIntentionMax{1000};

// The range is gone, or cannot be read: the job ends with that, and the live flow goes on.
bool ends_the_job(ErrorKind kind) {
  return kind == ErrorKind::kTrimmed || kind == ErrorKind::kHole || kind == ErrorKind::kCorrupt ||
         kind == ErrorKind::kFormat;
}

std::unexpected<Error> ended() { return fail(ErrorKind::kStopped, "the replay job has ended"); }

}  // namespace

ReplayWork::ReplayWork(const queue::ReplayJob& job, ReplayWorkParts parts)
    : job_(job),
      parts_(std::move(parts)),
      matcher_(job.spec.filter),
      tracker_(job.progress.position, job.progress.completed),
      rate_limit_(job.spec.rate, parts_.clock->monotonic()),
      saved_position_(job.progress.position),
      saved_at_(parts_.clock->monotonic()) {}

Result<std::vector<RecordPtr>> ReplayWork::read(queue::Lane /*lane*/, queue::Seq /*first*/,
                                                const queue::ReadLimits& limits) {
  if (!begun_ && parts_.begin) parts_.begin();
  begun_ = true;
  std::vector<RecordPtr> records;
  std::size_t bytes = 0;
  looked_at_ = 0;
  const std::size_t records_max =
      std::min(limits.records_max, rate_limit_.available(parts_.clock->monotonic()));
  bool is_full = records_max == 0;
  while (!is_full && looked_at_ < kLookedAtMax) {
    SLUICE_ASSIGN(const RecordPtr record, next());
    if (record == nullptr) break;
    const std::size_t size = record->record.body.size();
    const bool is_left_out =
        parts_.left_out.contains({job_.spec.lane, record->seq, record->record.epoch});
    if (is_left_out || !matcher_.matches(record->record)) {
      tracker_.pass_over(record->seq);
    } else if (tracker_.was_completed(record->seq)) {
      tracker_.hand_out(record->seq);
    } else if (!records.empty() && bytes + size > limits.bytes_max) {
      break;
    } else {
      records.push_back(own_copy(*record));
      tracker_.hand_out(record->seq);
      bytes += size;
      is_full = records.size() == records_max || bytes >= limits.bytes_max;
    }
    looked_at_ += size + kBytesOfNoBody;
    block_.pop_front();
  }
  rate_limit_.take(records.size());
  if (!records.empty()) return records;
  SLUICE_TRY(has_reached_end() && tracker_.is_idle() ? end() : save_if_due());
  if (looked_at_ >= kLookedAtMax) parts_.wake();
  return records;
}

bool ReplayWork::has_reached_end() const {
  return cannot_read_on_ || tracker_.next() > job_.progress.last;
}

Result<RecordPtr> ReplayWork::next() {
  if (has_reached_end()) return nullptr;
  if (block_.empty()) SLUICE_TRY(read_block());
  if (block_.empty()) return nullptr;
  return block_.front();
}

Result<void> ReplayWork::read_block() {
  auto limits = kBlock;
  limits.records_max =
      std::min<std::size_t>(limits.records_max, job_.progress.last - tracker_.next() + 1);
  auto records = parts_.queue->read(job_.spec.lane, tracker_.next(), limits);
  if (records) {
    block_.assign(std::make_move_iterator(records->begin()),
                  std::make_move_iterator(records->end()));
    trimmed_since_.reset();
    return {};
  }
  const Error& error = records.error();
  if (!ends_the_job(error.kind)) return fail(error);
  if (error.kind == ErrorKind::kTrimmed && may_be_an_intention()) return {};
  const bool is_trimmed = error.kind == ErrorKind::kTrimmed;
  end_state_ = is_trimmed ? queue::ReplayState::kPartial : queue::ReplayState::kFailed;
  job_.progress.remark =
      fmt::format("it could not read on from number {}, of {} to {}: {}", tracker_.next(),
                  job_.spec.numbers.first, job_.progress.last, error.message);
  job_.progress.remark.resize(std::min(job_.progress.remark.size(), queue::kReplayReasonBytesMax));
  cannot_read_on_ = true;
  return {};
}

// The fetcher shows a floor that it intends before it looks at what is held, and takes it back.
bool ReplayWork::may_be_an_intention() {
  const auto now = parts_.clock->monotonic();
  if (!trimmed_since_) trimmed_since_ = now;
  return now - *trimmed_since_ < kIntentionMax;
}

Result<void> ReplayWork::commit(queue::Lane /*lane*/, const Finished& finished) {
  queue::ReplayProgress& progress = job_.progress;
  for (const RecordPtr& record : finished.acknowledged) {
    tracker_.finish(record->seq);
    ++progress.sent;
    progress.sent_bytes += record->record.body.size();
  }
  for (const auto& [record, letter] : finished.set_aside) {
    tracker_.finish(record->seq);
    ++progress.refused;
    if (progress.refused_numbers.size() < queue::kReplayRefusedShown) {
      progress.refused_numbers.push_back(record->seq);
    }
    progress.refusal = letter.reason.substr(0, queue::kReplayReasonBytesMax);
  }
  return save(queue::ReplayState::kActive);
}

Result<void> ReplayWork::save(queue::ReplayState state) {
  queue::ReplayProgress now = job_.progress;
  now.state = state;
  now.position = tracker_.position();
  now.completed = tracker_.completed();
  SLUICE_ASSIGN(const auto saved, parts_.save(now));
  saved_position_ = now.position;
  saved_at_ = parts_.clock->monotonic();
  if (saved != queue::ReplayState::kActive) return ended();
  return {};
}

Result<void> ReplayWork::save_if_due() {
  const bool is_due = parts_.clock->monotonic() - saved_at_ >= kSaveInterval;
  if (!is_due || tracker_.position() == saved_position_) return {};
  return save(queue::ReplayState::kActive);
}

Result<void> ReplayWork::end() { return save(end_state_); }

}  // namespace sluice::shipper
