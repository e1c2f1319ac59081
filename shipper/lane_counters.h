// What a lane has done since the process began, and what it may do now. Written by the lane's
// thread, read by any.
#ifndef SLUICE_SHIPPER_LANE_COUNTERS_H_
#define SLUICE_SHIPPER_LANE_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "common/histogram.h"
#include "shipper/dead_letter_reasons.h"

namespace sluice::shipper {

struct LaneCounters {
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> requests_failed = 0;  // to be sent again
  std::atomic<std::uint64_t> acknowledged = 0;     // committed, as are the next two
  std::atomic<std::uint64_t> set_aside = 0;
  std::atomic<std::uint64_t> gaps = 0;
  DeadLetterReasons dead_letters;  // of what was set aside
  // What requests carried, what was sent again included.
  std::atomic<std::uint64_t> sent_events = 0;
  std::atomic<std::uint64_t> sent_bytes = 0;  // of events, before they are packed
  // Events sent again although the sink may have stored them: possible duplicates.
  std::atomic<std::uint64_t> resent_unknown = 0;
  // What may be sent now: events in a batch, and requests at once.
  std::atomic<std::uint64_t> batch_events_max = 0;
  std::atomic<std::uint64_t> requests_at_once_max = 0;
  // By the first digit of the status; 0: no answer came.
  static constexpr std::size_t kAnswerKinds = 6;
  std::array<std::atomic<std::uint64_t>, kAnswerKinds> answers{};
  Histogram send_duration;    // from a request to its answer
  Histogram commit_duration;  // of a synced write of positions
  Histogram delivery_lag;     // of each event, from when it was fetched
  Histogram end_to_end_lag;   // of each event, from its own time
  // Events that the HTTP library sent again by itself: possible duplicates too.
  std::atomic<std::uint64_t> resent_hidden = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_LANE_COUNTERS_H_
