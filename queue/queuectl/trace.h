// What became of an event: looks for its id in the queue, among the dead letters, and among the ids
// that are remembered.
//
// Reads all that is kept, about a million records a second; changes nothing, needs no daemon.
#ifndef SLUICE_QUEUE_QUEUECTL_TRACE_H_
#define SLUICE_QUEUE_QUEUECTL_TRACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/dead_letter.h"
#include "queue/intervention.h"
#include "queue/queuectl/access.h"
#include "queue/record.h"
#include "queue/types.h"

namespace sluice::queue {

enum class Fate {
  kWaiting,       // beyond the position: not delivered, or delivered ahead of others just now
  kAcknowledged,  // the sink has it
  kDead,          // the sink, or the fetcher, refuses it: a dead letter
  kRequeued,      // it was one, was sent again, and the sink has it
  kDiscarded,     // it was one, and a person removed it
  kSkipped,       // a person took it out of its lane
  kUnknown,       // the delivery store cannot be read
};
std::string_view name_of(Fate fate);

// A record of the queue, or a dead letter whose record is trimmed.
struct TracedEvent {
  Lane lane = Lane::kAudit;
  Seq seq = 0;
  std::string type;
  Timestamp time;
  std::int64_t fetched_at_ms = 0;
  Fate fate = Fate::kWaiting;
  bool is_kept = true;  // in the queue
  std::uint64_t epoch = 0;
  std::optional<DeadLetter> letter;  // with kDead
  // With the last three, and of a dead letter that is to be sent again: who, when and why.
  std::optional<Intervention> intervention;
};

struct Trace {
  // Records, audit first and by number; then what is known of those that are trimmed.
  std::vector<TracedEvent> events;
  // When the event happened, to the second, if its id is remembered: it was fetched, and is in the
  // queue, or trimmed, or was left out because the configuration says so.
  std::optional<Timestamp> remembered;
  PerLane<Seq> floor;  // records before these are trimmed
};

Result<Trace> trace(Access* access, std::string_view id);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_TRACE_H_
