#include "fetcher/lock/user_locks.h"

#include <optional>
#include <utility>

#include "common/backoff.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/repeated_message.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBackoffMin{1'000};
constexpr milliseconds kBackoffMax{30'000};

// As Teleport's own handler names and words it, so that locks of either are recognised.
LockRequest request_for(const FailedLogin& login, std::optional<Timestamp> expires) {
  LockRequest request;
  request.name = "event-handler-auto-lock-" + login.user;
  if (!login.login.empty()) request.name += "-" + login.login;
  request.user = login.user;
  request.login = login.login;
  request.message = "User is locked due to too many failed login attempts";
  request.expires = expires;
  return request;
}

}  // namespace

UserLocks::UserLocks(const LockConfig& config, EventApi* api, const Clock& clock)
    : config_(config),
      api_(*api),
      clock_(clock),
      failed_(config.attempts_max, config.period),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

UserLocks::~UserLocks() = default;

bool UserLocks::is_recent(Timestamp time) const {
  const milliseconds age{to_unix_ms(clock_.now()) - to_unix_ms(time)};
  return age <= config_.period + kDelayMax;
}

void UserLocks::note(const Event& event) {
  if (!event.failed_login || !is_recent(event.time)) return;
  if (!failed_.note(event.failed_login->user, event.time)) return;
  std::optional<Timestamp> expires;
  if (config_.duration) {
    expires = from_unix_ms(to_unix_ms(clock_.now()) + config_.duration->count());
  }
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kWaitingMax) {
    log_message(message::kUserNotLocked, {.event_id = event.id},
                "user {} is not locked: {} others wait for Teleport to lock them",
                event.failed_login->user, waiting_.size());
    return;
  }
  waiting_.push_back({request_for(*event.failed_login, expires), event.time});
  changed_.notify_one();
}

void UserLocks::run(const std::stop_token& stop) {
  while (true) {
    Waiting next;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    send(next, stop);
  }
}

void UserLocks::send(const Waiting& waiting, const std::stop_token& stop) {
  RepeatedMessage trouble(message::kUserLockFails, "cannot lock user " + waiting.request.user,
                          clock_);
  Backoff backoff(kBackoffMin, kBackoffMax);
  while (true) {
    const auto locked = api_.lock(waiting.request, stop);
    if (locked) {
      log_message(message::kUserLocked, {},
                  "user {} is locked after more than {} failed logins within {}",
                  waiting.request.user, config_.attempts_max, format_duration(config_.period));
      return;
    }
    if (locked.error().kind == ErrorKind::kStopped) return;
    trouble.failed(locked.error().message);
    if (!sleep_for(stop, backoff.next())) return;
    if (is_recent(waiting.failed_at)) continue;
    log_message(message::kUserNotLocked, {},
                "user {} is not locked: the failed logins are too long ago now",
                waiting.request.user);
    return;
  }
}

}  // namespace sluice::fetcher
