#include "shipper/requeue/requeue_work.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace sluice::shipper {
namespace {

// A letter with the record whose views point into it.
struct OwnLetter {
  explicit OwnLetter(queue::DeadLetter given) : letter(std::move(given)), stored(letter.record()) {}
  OwnLetter(const OwnLetter&) = delete;
  OwnLetter& operator=(const OwnLetter&) = delete;
  queue::DeadLetter letter;
  queue::StoredRecord stored;
};

}  // namespace

Result<std::vector<RecordPtr>> RequeueWork::read(queue::Lane /*lane*/, queue::Seq /*first*/,
                                                 const queue::ReadLimits& limits) {
  if (begin_) std::exchange(begin_, {})();
  std::vector<RecordPtr> records;
  const auto wanted = store_->requeued(lane_);
  if (handed_out_.empty()) last_ = 0;
  std::size_t bytes = 0;
  for (const queue::RecordKey& key : wanted) {
    if (key.seq <= last_ || taken_out_.contains(key.seq)) continue;
    if (records.size() == limits.records_max || bytes >= limits.bytes_max) break;
    auto letter = store_->dead_letter(key);
    // Discarded this very moment.
    if (!letter && letter.error().kind == ErrorKind::kNotFound) continue;
    if (!letter) return fail(std::move(letter).error());
    if (!records.empty() && bytes + letter->body.size() > limits.bytes_max) break;
    bytes += letter->body.size();
    const auto own = std::make_shared<const OwnLetter>(std::move(*letter));
    records.emplace_back(own, &own->stored);
    handed_out_.emplace(key.seq, key);
    last_ = key.seq;
  }
  if (handed_out_.empty()) return fail(ErrorKind::kStopped, "no dead letter is to be sent again");
  return records;
}

Result<void> RequeueWork::commit(queue::Lane lane, const Finished& finished) {
  queue::RequeueOutcome outcome;
  for (const RecordPtr& record : finished.acknowledged) {
    outcome.delivered.push_back({lane, record->seq, record->record.epoch});
    handed_out_.erase(record->seq);
  }
  for (const auto& [record, letter] : finished.set_aside) {
    outcome.refused.push_back(letter);
    handed_out_.erase(record->seq);
  }
  return store_->finish_requeue(lane, outcome);
}

std::vector<queue::Seq> RequeueWork::taken_out(queue::Lane /*lane*/, std::uint64_t* mark) {
  std::vector<queue::Seq> gone;
  const std::uint64_t changes = store_->changes();
  if (*mark == changes) return gone;
  *mark = changes;
  const auto wanted = store_->requeued(lane_);
  for (const auto& [seq, key] : handed_out_) {
    if (!std::ranges::binary_search(wanted, key)) gone.push_back(seq);
  }
  for (const queue::Seq seq : gone) handed_out_.erase(seq);
  taken_out_.insert(gone.begin(), gone.end());
  return gone;
}

}  // namespace sluice::shipper
