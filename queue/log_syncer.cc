#include "queue/log_syncer.h"

#include <cstdint>
#include <utility>

namespace sluice::queue {

LogSyncer::LogSyncer(Parts parts) : parts_(std::move(parts)), thread_([this] { run(); }) {}

LogSyncer::~LogSyncer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  has_work_.notify_one();
}

void LogSyncer::wrote(const PerLane<Seq>& last, std::size_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    last_ = last;
    unsynced_bytes_ += bytes;
  }
  has_work_.notify_one();
}

Result<void> LogSyncer::wait_for_room() { return wait_below(kUnsyncedBytesMax); }

Result<void> LogSyncer::wait_for_all() { return wait_below(1); }

Result<void> LogSyncer::check() { return wait_below(SIZE_MAX); }

Result<void> LogSyncer::wait_below(std::size_t bytes) {
  std::unique_lock lock(mutex_);
  has_synced_.wait(lock, [&] { return unsynced_bytes_ < bytes || error_; });
  if (error_) return fail(*error_);
  return {};
}

void LogSyncer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [this] { return unsynced_bytes_ > 0 || ending_; });
    if (unsynced_bytes_ == 0) return;
    const PerLane<Seq> last = last_;
    const std::size_t bytes = unsynced_bytes_;
    lock.unlock();
    const auto synced = parts_.sync();
    if (synced) parts_.publish(last);
    lock.lock();
    if (!synced) {
      error_ = synced.error();
      has_synced_.notify_one();
      return;
    }
    unsynced_bytes_ -= bytes;
    has_synced_.notify_one();
  }
}

}  // namespace sluice::queue
