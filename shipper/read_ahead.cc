#include "shipper/read_ahead.h"

#include <algorithm>
#include <utility>

#include "shipper/own_record.h"

namespace sluice::shipper {

using std::chrono::milliseconds;

ReadAhead::ReadAhead(const ReadAheadOptions& options, RecordSource* source,
                     const queue::LaneProgress& progress)
    : options_(options),
      source_(source),
      next_(progress.position + 1),
      completed_(progress.completed.begin(), progress.completed.end()) {}

// Over what is completed or left out, which may be trimmed by now.
void ReadAhead::step_over() {
  for (auto before = next_ - 1; before != next_;) {
    before = next_;
    while (left_out_.contains(next_)) ++next_;
    while (!completed_.empty() && completed_.front().first <= next_) {
      next_ = std::max(next_, completed_.front().last + 1);
      completed_.pop_front();
    }
  }
}

// Ends the next read before the completed numbers that come after it.
queue::ReadLimits ReadAhead::limits() const {
  queue::ReadLimits limits;
  limits.records_max = std::min(options_.batch_events, options_.records_max - records_);
  limits.bytes_max = std::min(options_.batch_bytes, options_.bytes_max - bytes_);
  if (!completed_.empty()) {
    limits.records_max =
        std::min<std::size_t>(limits.records_max, completed_.front().first - next_);
  }
  return limits;
}

Result<std::vector<RecordPtr>> ReadAhead::fill(bool* found, milliseconds now) {
  *found = false;
  std::vector<RecordPtr> not_to_be_sent;
  if (!has_room()) return not_to_be_sent;
  step_over();
  const auto read_limits = limits();
  SLUICE_ASSIGN(auto records, source_->read(options_.lane, next_, read_limits));
  *found = !records.empty();
  for (auto& record : records) {
    next_ = record->seq + 1;
    if (left_out_.contains(record->seq)) continue;
    if (record->record.kind == queue::RecordKind::kEvent) {
      place(std::move(record), now);
    } else {
      not_to_be_sent.push_back(std::move(record));
    }
  }
  return not_to_be_sent;
}

void ReadAhead::limit_batches(std::size_t events, std::size_t bytes) {
  options_.batch_events = events;
  options_.batch_bytes = bytes;
}

Batch* ReadAhead::batch_with_room(const queue::StoredRecord& record) {
  for (auto last = waiting_.rbegin(); last != waiting_.rend(); ++last) {
    Batch& batch = last->batch;
    const bool is_its_route = batch.route() == record.record.route;
    if (is_its_route && batch.size() < options_.batch_events &&
        batch.body_bytes() + record.record.body.size() <= options_.batch_bytes) {
      return &batch;
    }
    if (is_its_route || options_.strict_order) {
      last->is_closed = true;
      return nullptr;
    }
  }
  return nullptr;
}

void ReadAhead::place(RecordPtr record, milliseconds now) {
  ++records_;
  bytes_ += record->record.body.size();
  Batch* batch = batch_with_room(*record);
  if (batch == nullptr) {
    batch = &waiting_.emplace_back(Batch(std::string(record->record.route)), now).batch;
  }
  const bool may_outwait_its_neighbours =
      options_.lane == queue::Lane::kSession && !options_.strict_order;
  batch->append(may_outwait_its_neighbours ? own_copy(*record) : std::move(record));
}

void ReadAhead::leave_out(const std::set<queue::Seq>& numbers) {
  left_out_.insert(numbers.begin(), numbers.end());
  for (Waiting& one : waiting_) {
    const std::size_t bytes = one.batch.body_bytes();
    records_ -= one.batch.leave_out(numbers);
    bytes_ -= bytes - one.batch.body_bytes();
  }
  std::erase_if(waiting_, [](const Waiting& one) { return one.batch.size() == 0; });
}

bool ReadAhead::may_go(const Waiting& waiting, milliseconds now) const {
  const Batch& batch = waiting.batch;
  return waiting.is_closed || now - waiting.since >= options_.linger ||
         batch.size() >= options_.batch_events || batch.body_bytes() >= options_.batch_bytes ||
         !has_room();
}

std::optional<Batch> ReadAhead::take(const std::set<std::string, std::less<>>& busy,
                                     milliseconds now) {
  const auto first_free = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
    return !busy.contains(one.batch.route()) && may_go(one, now);
  });
  if (first_free == waiting_.end()) return std::nullopt;
  Batch batch = first_free->batch.take_front(options_.batch_events, options_.batch_bytes);
  if (first_free->batch.size() == 0) waiting_.erase(first_free);
  records_ -= batch.size();
  bytes_ -= batch.body_bytes();
  return batch;
}

std::optional<milliseconds> ReadAhead::wait(milliseconds now) const {
  std::optional<milliseconds> wait;
  for (const Waiting& one : waiting_) {
    if (may_go(one, now)) continue;
    wait = std::min(wait.value_or(milliseconds::max()), one.since + options_.linger - now);
  }
  return wait;
}

}  // namespace sluice::shipper
