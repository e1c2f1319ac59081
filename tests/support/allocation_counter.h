// Counts how often this program takes memory by operator new, for tests and benchmarks of how
// seldom it does.
//
// Linking allocation_counter.cc replaces operator new in the whole program, libraries included.
// What C code takes by malloc() is not counted. Any thread; those of all threads are one count.
#ifndef SLUICE_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
#define SLUICE_TESTS_SUPPORT_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace sluice {

// Counts from its construction on. One at a time; without any, the program is not slowed down.
class AllocationCounter {
 public:
  AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;
  ~AllocationCounter();
  std::uint64_t count() const;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
