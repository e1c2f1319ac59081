// A span of the past that is fetched beside the present events, as a source needs it. Value type.
#ifndef SLUICE_FETCHER_SOURCE_BACKFILL_SPAN_H_
#define SLUICE_FETCHER_SOURCE_BACKFILL_SPAN_H_

#include <string>

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

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_BACKFILL_SPAN_H_
