#include "common/heartbeat.h"

#include <algorithm>
#include <utility>

namespace sluice {

using std::chrono::milliseconds;

std::optional<HeartbeatList::Oldest> HeartbeatList::oldest() const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::min_element(
      entries_, {}, [](const Entry& entry) { return entry.last_ms.load(); });
  if (found == entries_.end()) return std::nullopt;
  return Oldest{.name = found->name,
                .age = clock_.monotonic() - milliseconds{found->last_ms.load()}};
}

HeartbeatList& process_heartbeats() {
  // Loops may end after static objects.
  static auto& list = *new HeartbeatList(system_clock());
  return list;
}

Heartbeat::Heartbeat(std::string name, HeartbeatList* all) : all_(all) {
  const std::lock_guard lock(all_->mutex_);
  entry_ = all_->entries_.emplace(all_->entries_.end(), std::move(name),
                                  all_->clock_.monotonic().count());
}

Heartbeat::~Heartbeat() {
  const std::lock_guard lock(all_->mutex_);
  all_->entries_.erase(entry_);
}

void Heartbeat::beat() { entry_->last_ms = all_->clock_.monotonic().count(); }

}  // namespace sluice
