// How this process holds memory. Call at the start, before other threads.
#ifndef SLUICE_COMMON_MEMORY_H_
#define SLUICE_COMMON_MEMORY_H_

namespace sluice {

// Memory that was freed is kept for what comes next, some of it, in place of going back to the
// system at once. For programs that free and take large blocks all the time, as RocksDB does with
// its memory tables: to have them again from the system, page by page, took a tenth of the time
// from Teleport to the queue.
void keep_freed_memory();

}  // namespace sluice

#endif  // SLUICE_COMMON_MEMORY_H_
