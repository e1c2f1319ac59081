// Memory for the records that a reader returns. Internal to queue/.
//
// Blocks are used again: memory fresh from the kernel costs more than what is read into it. A block
// may outlive the pool's other owners. Threads: any.
#ifndef SLUICE_QUEUE_BLOCK_POOL_H_
#define SLUICE_QUEUE_BLOCK_POOL_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace sluice::queue {

class BlockPool {
 public:
  static constexpr std::size_t kBlockBytes = 64U << 10;

  // Gives the memory back to its pool, if it is of one.
  struct Release {
    std::shared_ptr<BlockPool> pool;
    void operator()(char* memory) const;
  };
  using Block = std::unique_ptr<char[], Release>;

  // A block of kBlockBytes, with what it held before.
  static Block take(const std::shared_ptr<BlockPool>& pool);
  // Memory of that size, of no pool.
  static Block allocate(std::size_t bytes);

 private:
  static constexpr std::size_t kFreeMax = 64;  // 4 MiB
  std::mutex mutex_;
  std::vector<std::unique_ptr<char[]>> free_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_BLOCK_POOL_H_
