// The status as plain text, for people and stable for scripts, and as JSON. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_STATUS_RENDER_H_
#define SLUICE_QUEUE_QUEUECTL_STATUS_RENDER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/time.h"
#include "queue/dead_letter_limits.h"
#include "queue/disk_limits.h"
#include "queue/queuectl/snapshot.h"
#include "queue/sink_report.h"

namespace sluice::queue {

struct StatusContext {
  std::string instance;
  std::uint64_t duplicates_bound = 0;   // events that a crash of the shipper can send again
  DiskLimits limits = {};               // as configured
  DeadLetterLimits letter_limits = {};  // too
  // Puts into each command that a sentence names what this instance needs; empty: nothing. What
  // comes with the snapshot has it already.
  std::function<std::string(std::string)> address = {};
};
std::string status_table(const Snapshot& snapshot, const StatusContext& context);
std::string status_json(const Snapshot& snapshot, const StatusContext& context);

// What all forms of it have in common.

// As dead_lines(), for this instance.
std::string dead_lines(const Snapshot& snapshot, const StatusContext& context);

// "41m"; "-" where there is no time.
std::string age(std::optional<std::int64_t> at_ms, Timestamp now);
std::string count_words(const SinkReport::Count& count, Timestamp now);
std::int64_t total_unaccounted(const Snapshot& snapshot);
std::uint64_t total_duplicates(const Snapshot& snapshot);
// How far back every lane that has anything can be replayed.
std::optional<std::int64_t> replay_reaches_back_to(const Snapshot& snapshot);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_STATUS_RENDER_H_
