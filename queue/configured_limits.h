// The limits of queue and delivery store, from the configuration that both daemons and queuectl
// read. Pure.
#ifndef SLUICE_QUEUE_CONFIGURED_LIMITS_H_
#define SLUICE_QUEUE_CONFIGURED_LIMITS_H_

#include "common/config.h"
#include "queue/dead_letter_limits.h"
#include "queue/disk_limits.h"

namespace sluice::queue {

inline DiskLimits configured_limits(const QueueConfig& config) {
  return {.retention = config.retention,
          .max_size = config.max_size,
          .session_max_size = config.session_max_size,
          .min_free = config.min_free_disk,
          .erase_within = config.erase_within};
}

inline DeadLetterLimits dead_letter_limits(const ShipperConfig& config) {
  return {.count_max = config.dead_letters_max, .bytes_max = config.dead_letters_bytes_max};
}

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONFIGURED_LIMITS_H_
