// Tells the log when a lane has many dead letters: a warning from kDeadLettersWarnShare on, an
// error at the limit, and when it is over.
//
// One thread.
#ifndef SLUICE_SHIPPER_DEAD_LETTER_ALARM_H_
#define SLUICE_SHIPPER_DEAD_LETTER_ALARM_H_

#include <chrono>

#include "common/time.h"
#include "queue/dead_letter_limits.h"
#include "queue/delivery_store.h"
#include "queue/types.h"

namespace sluice::shipper {

class DeadLetterAlarm {
 public:
  explicit DeadLetterAlarm(const queue::DeadLetterLimits& limits,
                           const Clock& clock = system_clock())
      : limits_(limits), clock_(clock) {}

  // To be called about once a second; says what is new, and what stays so every ten minutes.
  void tick(const queue::DeliveryStore& store);

 private:
  enum class Level { kNone, kMany, kFull };
  struct Said {
    Level level = Level::kNone;
    std::chrono::milliseconds at{0};
  };
  queue::DeadLetterLimits limits_;
  const Clock& clock_;
  queue::PerLane<Said> said_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_DEAD_LETTER_ALARM_H_
