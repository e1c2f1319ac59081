// The buffers between the sources and the queue: one a lane, each bounded in bytes.
//
// Many sources push, one ingest thread takes. A full lane blocks its own sources and nobody else's;
// that is the back-pressure up to Teleport. Within a lane items come out in the order in which they
// went in. Thread-safe.
#ifndef SLUICE_FETCHER_INGEST_LANE_BUFFERS_H_
#define SLUICE_FETCHER_INGEST_LANE_BUFFERS_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>
#include <stop_token>
#include <vector>

#include "fetcher/ingest/item.h"
#include "queue/types.h"

namespace sluice::fetcher {

struct TakeLimits {
  std::size_t items_max = 2'000;
  std::size_t bytes_max = 2U << 20;      // the first item is taken however large
  queue::PerLane<bool> left_alone = {};  // lanes of which nothing is taken
};

class LaneBuffers {
 public:
  explicit LaneBuffers(std::uint64_t lane_bytes_max) : lane_bytes_max_(lane_bytes_max) {}
  LaneBuffers(const LaneBuffers&) = delete;
  LaneBuffers& operator=(const LaneBuffers&) = delete;

  // Waits while the item's lane is full, and for those that waited before it: an item larger than
  // the whole buffer goes in once the lane is empty, and would else be overtaken for ever. False:
  // asked to stop before there was room, and the item is gone.
  bool push(Item item, std::stop_token stop);

  // Appends to *batch what is there, up to `limits`; waits up to `timeout` for the first item. When
  // both lanes have items, each gets at least half; which one begins alternates.
  void take(const TakeLimits& limits, std::chrono::milliseconds timeout, std::stop_token stop,
            std::vector<Item>* batch);

  bool empty() const;

 private:
  struct Entry {
    Item item;
    std::size_t bytes;
  };
  struct LaneBuffer {
    std::deque<Entry> entries;
    std::uint64_t bytes = 0;
    std::condition_variable_any has_room;  // or another is the first to wait
    std::set<std::uint64_t> waiting;       // tickets of those who wait to push
    std::uint64_t next_ticket = 0;
  };

  bool empty_unlocked(const queue::PerLane<bool>& left_alone) const;
  void take_lane_unlocked(LaneBuffer* lane, const TakeLimits& limits, std::size_t* bytes_taken,
                          std::vector<Item>* batch);

  const std::uint64_t lane_bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable_any has_items_;
  queue::PerLane<LaneBuffer> lanes_;
  bool session_first_ = false;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_INGEST_LANE_BUFFERS_H_
