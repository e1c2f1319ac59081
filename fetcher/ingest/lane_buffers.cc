#include "fetcher/ingest/lane_buffers.h"

#include <algorithm>
#include <utility>

namespace sluice::fetcher {

bool LaneBuffers::push(Item item, std::stop_token stop) {
  const std::size_t bytes = item.bytes();
  std::unique_lock lock(mutex_);
  LaneBuffer& lane = lanes_[item.lane];
  const auto fits = [&] { return lane.entries.empty() || lane.bytes + bytes <= lane_bytes_max_; };
  if (!lane.waiting.empty() || !fits()) {
    const std::uint64_t ticket = lane.next_ticket++;
    lane.waiting.insert(ticket);
    lane.has_room.wait(lock, stop, [&] { return *lane.waiting.begin() == ticket && fits(); });
    lane.waiting.erase(ticket);
    lane.has_room.notify_all();
  }
  if (stop.stop_requested()) return false;
  lane.bytes += bytes;
  lane.entries.push_back(Entry{std::move(item), bytes});
  lock.unlock();
  has_items_.notify_one();
  return true;
}

void LaneBuffers::take(const TakeLimits& limits, std::chrono::milliseconds timeout,
                       std::stop_token stop, std::vector<Item>* batch) {
  std::unique_lock lock(mutex_);
  has_items_.wait_for(lock, stop, timeout, [&] { return !empty_unlocked(limits.left_alone); });
  const queue::Lane first = session_first_ ? queue::Lane::kSession : queue::Lane::kAudit;
  const queue::Lane second = session_first_ ? queue::Lane::kAudit : queue::Lane::kSession;
  session_first_ = !session_first_;
  const TakeLimits half{std::max<std::size_t>(limits.items_max / 2, 1), limits.bytes_max / 2, {}};
  std::size_t bytes_taken = 0;
  const auto take_lane = [&](queue::Lane lane, const TakeLimits& up_to) {
    if (!limits.left_alone[lane]) take_lane_unlocked(&lanes_[lane], up_to, &bytes_taken, batch);
  };
  take_lane(first, half);
  take_lane(second, limits);
  take_lane(first, limits);
}

void LaneBuffers::take_lane_unlocked(LaneBuffer* lane, const TakeLimits& limits,
                                     std::size_t* bytes_taken, std::vector<Item>* batch) {
  bool any = false;
  while (!lane->entries.empty() && batch->size() < limits.items_max) {
    Entry& entry = lane->entries.front();
    if (!batch->empty() && *bytes_taken + entry.bytes > limits.bytes_max) break;
    *bytes_taken += entry.bytes;
    lane->bytes -= entry.bytes;
    batch->push_back(std::move(entry.item));
    lane->entries.pop_front();
    any = true;
  }
  if (any) lane->has_room.notify_all();
}

bool LaneBuffers::empty_unlocked(const queue::PerLane<bool>& left_alone) const {
  return std::all_of(queue::kLanes.begin(), queue::kLanes.end(), [&](queue::Lane lane) {
    return left_alone[lane] || lanes_[lane].entries.empty();
  });
}

bool LaneBuffers::empty() const {
  const std::lock_guard lock(mutex_);
  return empty_unlocked({});
}

}  // namespace sluice::fetcher
