// Whether the loops of this process make progress.
//
// A loop has a Heartbeat while it runs and beats it at each turn, so a turn must be short of what
// nobody knows the length of: no wait for a network, for another process or for room on a disk. A
// loop that is over, or waits elsewhere, has none and cannot be missed.
//
// Threads: beat() and the destructor by one at a time; HeartbeatList by any.
#ifndef SLUICE_COMMON_HEARTBEAT_H_
#define SLUICE_COMMON_HEARTBEAT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/time.h"

namespace sluice {

// All heartbeats of a process; in tests there are others.
class HeartbeatList {
 public:
  explicit HeartbeatList(const Clock& clock) : clock_(clock) {}

  // The loop whose last beat is the oldest, and how long ago that was; nothing: there is no loop.
  struct Oldest {
    std::string name;
    std::chrono::milliseconds age;
  };
  std::optional<Oldest> oldest() const;

 private:
  friend class Heartbeat;
  struct Entry {
    std::string name;
    std::atomic<std::int64_t> last_ms;  // Clock::monotonic()
  };

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;
};

// That of this process. It is never destroyed.
HeartbeatList& process_heartbeats();

class Heartbeat {
 public:
  // `name` is for people: "lane audit".
  explicit Heartbeat(std::string name, HeartbeatList* all = &process_heartbeats());
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  void beat();

 private:
  HeartbeatList* all_;
  std::list<HeartbeatList::Entry>::iterator entry_;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_HEARTBEAT_H_
