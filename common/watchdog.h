// Tells systemd's watchdog (WatchdogSec=) that this process works, for as long as it does.
//
// A thread sends WATCHDOG=1 while each loop of `beats` made progress within half of the watchdog's
// time. When one did not, it says so in the log, once, and sends no more until it does; systemd
// then ends the process and starts it anew. What no loop waits for, such as a Fluentd that is down,
// never ends it.
#ifndef SLUICE_COMMON_WATCHDOG_H_
#define SLUICE_COMMON_WATCHDOG_H_

#include <chrono>
#include <memory>
#include <stop_token>
#include <thread>

#include "common/heartbeat.h"

namespace sluice {

class Watchdog {
 public:
  // Nothing if no watchdog waits for this process (sd_watchdog_enabled(3)). `beats` must outlive
  // it.
  static std::unique_ptr<Watchdog> start(const HeartbeatList* beats);

 private:
  Watchdog(const HeartbeatList* beats, std::chrono::microseconds time);
  void run(const std::stop_token& stop);

  const HeartbeatList* beats_;
  std::chrono::milliseconds time_;
  std::jthread thread_;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_WATCHDOG_H_
