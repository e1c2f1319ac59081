#include "queue/block_pool.h"

#include <utility>

namespace sluice::queue {

void BlockPool::Release::operator()(char* memory) const {
  std::unique_ptr<char[]> owned(memory);
  if (pool == nullptr) return;
  const std::lock_guard lock(pool->mutex_);
  if (pool->free_.size() < kFreeMax) pool->free_.push_back(std::move(owned));
}

BlockPool::Block BlockPool::take(const std::shared_ptr<BlockPool>& pool) {
  {
    const std::lock_guard lock(pool->mutex_);
    if (!pool->free_.empty()) {
      char* const memory = pool->free_.back().release();
      pool->free_.pop_back();
      return Block(memory, Release{pool});
    }
  }
  return Block(std::make_unique_for_overwrite<char[]>(kBlockBytes).release(), Release{pool});
}

BlockPool::Block BlockPool::allocate(std::size_t bytes) {
  return Block(std::make_unique_for_overwrite<char[]>(bytes).release(), Release{});
}

}  // namespace sluice::queue
