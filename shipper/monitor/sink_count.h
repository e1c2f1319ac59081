// Holds what the sink's own counter says against what it has acknowledged.
//
// A shortfall that is told is certain. For two looks at the counter, everything that was sent after
// the first and answered with success before the second must have been counted in between. What was
// in flight at either look counts for the sink, and so does whatever else makes its number larger:
// other clients of the same input, what was sent twice, and answers that were lost. So the
// shortfall is a lower bound, and the largest over all pairs of looks in which the process that
// counts was the same:
//
//     missing = (answered - counted) at the later look
//               - the least of (answered + in flight - counted) at an earlier one
//
// A counter that was begun anew begins the comparison anew; what was missing before stays told. So
// does a request that ended without an answer, for it may be the sign of a process that was
// replaced. What is missing is told at the look after the one that showed it, if nothing has begun
// anew. One thread.
#ifndef SLUICE_SHIPPER_MONITOR_SINK_COUNT_H_
#define SLUICE_SHIPPER_MONITOR_SINK_COUNT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/time.h"
#include "shipper/monitor/plugins.h"
#include "shipper/sink_tally.h"

namespace sluice::shipper {

// One look at all the processes that count for us.
struct SinkLook {
  struct Process {
    std::string plugins;  // the ids of those that count
    std::uint64_t counted = 0;
    std::uint64_t by_outputs = 0;  // what all outputs have emitted
    std::optional<std::uint64_t> process_id;
    // Every counter of every plugin by its name: one that goes back is another process's.
    std::map<std::string, std::uint64_t> counters;
  };
  Tally before;  // just before the first of them was asked
  Tally after;   // just after the last had answered
  std::vector<Process> processes;
  Timestamp at;
};

// The numbers of one process out of its answer.
SinkLook::Process process_of(const std::vector<Plugin>& plugins,
                             const std::vector<const Plugin*>& counting,
                             std::optional<std::uint64_t> process_id);

struct SinkComparison {
  Timestamp since;                 // the look with which it began
  std::uint64_t acknowledged = 0;  // since then
  std::uint64_t counted = 0;       // by the sink, since then
  std::uint64_t missing = 0;       // certainly, since then
  // It has never counted anything, though successes were answered.
  bool counts_nothing = false;
  bool reaches_outputs = false;  // outputs have emitted something since then

  // 0, below zero what is missing, above zero what the sink has more.
  std::int64_t differs_by() const;
  bool operator==(const SinkComparison&) const = default;
};

// What was missing in comparisons that have been begun anew since.
struct MissingBefore {
  std::uint64_t events = 0;
  Timestamp since;  // where the first of them began
};

class SinkCount {
 public:
  // The comparison up to this look; nothing when it begins with it.
  std::optional<SinkComparison> look(const SinkLook& look);

  const MissingBefore& missing_before() const { return missing_before_; }

 private:
  void begin(const SinkLook& look);
  bool is_same_process(const SinkLook& look) const;

  std::optional<SinkLook> first_;
  SinkLook previous_;
  std::int64_t least_open_ = 0;  // of answered + in flight - counted, since first_
  std::uint64_t suspected_ = 0;  // seen missing, and not yet seen again
  MissingBefore missing_before_;
  std::optional<SinkComparison> last_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_MONITOR_SINK_COUNT_H_
