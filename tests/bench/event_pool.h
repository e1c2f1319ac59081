// Events to fill a queue with: JSON objects of one size, made up to look like Teleport's.
//
// What decides how they compress is like in real ones: the same few field names in each, a few
// users, hosts and words that repeat, and random ids, addresses and times that do not. Bodies are
// made once and used in turn, so that making them costs nothing while something is timed; ids are
// new for each event. The same seed gives the same events. One thread at a time.
#ifndef SLUICE_TESTS_BENCH_EVENT_POOL_H_
#define SLUICE_TESTS_BENCH_EVENT_POOL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "queue/writer.h"

namespace sluice::bench {

class EventPool {
 public:
  // Bodies have `body_bytes` each, at least 200.
  EventPool(std::size_t body_bytes, std::uint64_t seed);

  // Makes the ids of the next `count` events, so that filling batches with them takes no time for
  // that.
  void prepare(std::size_t count);

  // Makes *append a batch of `count` events as the fetcher does: each with its id marked as seen,
  // and the source's cursor. What it holds lives until the next call, or the next prepare().
  void fill(queue::Lane lane, std::size_t count, queue::Append* append);

  // The bodies of the batch that the next fill() makes, one after the other.
  std::string next_bodies(std::size_t count) const;

 private:
  std::string make_body(std::size_t body_bytes);
  std::string make_id();

  std::mt19937_64 random_;
  std::vector<std::string> bodies_;
  std::size_t next_ = 0;
  std::uint64_t made_ = 0;    // ids
  std::uint64_t filled_ = 0;  // events
  std::vector<std::string> ids_;
  std::size_t next_id_ = 0;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_EVENT_POOL_H_
