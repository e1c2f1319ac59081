// Asks Teleport to lock users who failed to log in too often (lock-enabled), as Teleport's own
// handler does.
//
// Only for events that have just happened, so that a queue which is filled late, or a range that is
// read again, locks nobody out for what is long over. Requests are sent on a thread of its own, and
// again until they succeed or are no longer of use; the destructor ends that. note() on the
// ingesting thread.
#ifndef SLUICE_FETCHER_LOCK_USER_LOCKS_H_
#define SLUICE_FETCHER_LOCK_USER_LOCKS_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "common/config.h"
#include "common/time.h"
#include "fetcher/lock/failed_logins.h"
#include "fetcher/source/event_api.h"
#include "fetcher/transcode/event.h"

namespace sluice::fetcher {

class UserLocks {
 public:
  // How much older than lock-period an event may be: for the way from Teleport to here.
  static constexpr std::chrono::milliseconds kDelayMax{300'000};
  // Requests that wait to be sent; beyond it they are left out, with an error in the log.
  static constexpr std::size_t kWaitingMax = 1'000;

  // `api` and `clock` must outlive it.
  UserLocks(const LockConfig& config, EventApi* api, const Clock& clock);
  ~UserLocks();
  UserLocks(const UserLocks&) = delete;
  UserLocks& operator=(const UserLocks&) = delete;

  // An event that is new to the queue.
  void note(const Event& event);

 private:
  struct Waiting {
    LockRequest request;
    Timestamp failed_at;
  };
  void run(const std::stop_token& stop);
  void send(const Waiting& waiting, const std::stop_token& stop);
  bool is_recent(Timestamp time) const;

  const LockConfig config_;
  EventApi& api_;
  const Clock& clock_;
  FailedLogins failed_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Waiting> waiting_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_LOCK_USER_LOCKS_H_
