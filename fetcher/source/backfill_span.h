// A span of the past that is fetched beside the present events, as a source needs it, and the keys
// of what is saved of it. Value type.
#ifndef SLUICE_FETCHER_SOURCE_BACKFILL_SPAN_H_
#define SLUICE_FETCHER_SOURCE_BACKFILL_SPAN_H_

#include <optional>
#include <string>
#include <string_view>

#include "common/time_range.h"

namespace sluice::fetcher {

struct BackfillSpan {
  TimeRange range;

  Day last_day() const { return day_of(add_seconds(range.to, range.to.nanos == 0 ? -1 : 0)); }

  // What the source's keys in the queue's state begin with.
  std::string state_prefix() const { return "backfill/" + format_time_range(range) + "/"; }
  // The key that says that it is done, and when.
  std::string done_key() const { return "backfilled/" + format_time_range(range); }
};

// Under which key of the queue's state a source saves what it calls `key`: the present's source
// under that itself, a span's behind its prefix.
inline std::string state_key(const std::optional<BackfillSpan>& backfill, std::string_view key) {
  return (backfill ? backfill->state_prefix() : std::string()).append(key);
}

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_BACKFILL_SPAN_H_
