#include "common/watchdog.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdint>

#include "common/backoff.h"
#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/time.h"

namespace sluice {

using std::chrono::milliseconds;

std::unique_ptr<Watchdog> Watchdog::start(const HeartbeatList* beats) {
  std::uint64_t time_us = 0;
  if (::sd_watchdog_enabled(0, &time_us) <= 0) return nullptr;
  return std::unique_ptr<Watchdog>(new Watchdog(beats, std::chrono::microseconds(time_us)));
}

Watchdog::Watchdog(const HeartbeatList* beats, std::chrono::microseconds time)
    : beats_(beats),
      time_(std::chrono::duration_cast<milliseconds>(time)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Watchdog::run(const std::stop_token& stop) {
  const milliseconds interval = std::max(time_ / 6, milliseconds{1});
  bool is_stalled = false;
  do {
    const auto oldest = beats_->oldest();
    const bool was_stalled = is_stalled;
    is_stalled = oldest && oldest->age > time_ / 2;
    if (!is_stalled) {
      notify_alive();
      if (was_stalled) log_message(message::kProgressAgain, {}, "all loops make progress again");
    } else if (!was_stalled) {
      log_message(
          message::kStalled, {},
          "{} has made no progress for {}: the disk does not answer, or this is a defect; systemd "
          "restarts this process if it stays so",
          oldest->name, format_duration(oldest->age));
    }
  } while (sleep_for(stop, interval));
}

}  // namespace sluice
