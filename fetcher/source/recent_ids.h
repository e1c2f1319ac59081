// The ids of the events that a source has pushed lately, so that what overlapping searches return
// again is dropped before it costs a write.
//
// Bounded: the oldest ids go first; what is then not recognised here is recognised by the queue.
// Belongs to one ingest generation and ends with it, since it says "pushed", not "durable". One
// thread.
#ifndef SLUICE_FETCHER_SOURCE_RECENT_IDS_H_
#define SLUICE_FETCHER_SOURCE_RECENT_IDS_H_

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_set>

namespace sluice::fetcher {

class RecentIds {
 public:
  explicit RecentIds(std::size_t count_max) : count_max_(count_max) {}

  bool contains(const std::string& id) const { return ids_.contains(id); }

  void add(const std::string& id) {
    const auto [place, is_new] = ids_.insert(id);
    if (!is_new) return;
    order_.push_back(&*place);
    if (order_.size() <= count_max_) return;
    ids_.erase(*order_.front());
    order_.pop_front();
  }

 private:
  const std::size_t count_max_;
  std::unordered_set<std::string> ids_;
  std::deque<const std::string*> order_;  // into ids_, whose nodes stay where they are
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_RECENT_IDS_H_
