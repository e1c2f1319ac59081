// A span of time, written as "FROM/TO" with two RFC 3339 times (ISO 8601 calls it an interval).
// Value type; any thread.
#ifndef SLUICE_COMMON_TIME_RANGE_H_
#define SLUICE_COMMON_TIME_RANGE_H_

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/time.h"

namespace sluice {

struct TimeRange {
  Timestamp from;
  Timestamp to;  // the first moment after it

  bool contains(Timestamp time) const { return from <= time && time < to; }
  auto operator<=>(const TimeRange&) const = default;
};

// kRejected: not two times with zones, or an empty span; the sentence is without its subject ("is
// …").
Result<TimeRange> parse_time_range(std::string_view text);

// "2026-11-01T00:00:00Z/2026-11-02T00:00:00Z".
std::string format_time_range(const TimeRange& range);

}  // namespace sluice

#endif  // SLUICE_COMMON_TIME_RANGE_H_
