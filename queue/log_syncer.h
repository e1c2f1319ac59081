// Syncs the write-ahead log behind the thread that writes it, so that the next batch is prepared
// while the disk takes the one before. Internal to queue/.
//
// Threads: wrote() and the waits on the writing thread; both functions given are called on a thread
// of its own, which begins with the object and ends with it, after a last sync of what was written.
// Errors: after a failed sync nothing is synced or published any more, and each wait returns that
// error.
#ifndef SLUICE_QUEUE_LOG_SYNCER_H_
#define SLUICE_QUEUE_LOG_SYNCER_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "common/error.h"
#include "queue/types.h"

namespace sluice::queue {

// At most so many bytes are written and not synced, one batch more.
inline constexpr std::size_t kUnsyncedBytesMax = 4U << 20;

class LogSyncer {
 public:
  struct Parts {
    // Makes durable all that was written before the call.
    std::function<Result<void>()> sync;
    // Tells readers: the last durable number of each lane.
    std::function<void(const PerLane<Seq>& durable)> publish;
  };

  explicit LogSyncer(Parts parts);
  ~LogSyncer();
  LogSyncer(const LogSyncer&) = delete;
  LogSyncer& operator=(const LogSyncer&) = delete;

  // The log has `bytes` more, and each lane now ends at `last`.
  void wrote(const PerLane<Seq>& last, std::size_t bytes);
  // Until fewer than kUnsyncedBytesMax are unsynced.
  Result<void> wait_for_room();
  // Until all is synced and published.
  Result<void> wait_for_all();
  // Without waiting: an error that there has been.
  Result<void> check();

 private:
  void run();
  Result<void> wait_below(std::size_t bytes);

  const Parts parts_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_synced_;
  PerLane<Seq> last_;
  std::size_t unsynced_bytes_ = 0;
  std::optional<Error> error_;
  bool ending_ = false;
  std::jthread thread_;  // last: it uses all the others
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LOG_SYNCER_H_
