// What has been done by hand about one record, beyond the journal's words: asked to be sent again,
// sent again, discarded, skipped; and whether the queue has lost its number since.
//
// On disk in the delivery store's default family under a key that ends in a version; of a record
// the newest is the row. Never trimmed, as the journal. Value type; the functions are pure.
#ifndef SLUICE_QUEUE_INTERVENTION_H_
#define SLUICE_QUEUE_INTERVENTION_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace sluice::queue {

// On disk: never change the numbers.
enum class InterventionKind : std::uint8_t {
  kRequeueAsked = 0,  // a dead letter that the shipper is to send again
  kRequeued = 1,      // one that was sent again, and taken
  kDiscarded = 2,     // one that was removed
  kSkipped = 3,       // an event that was taken out of its lane
  kNone = 4,          // none any more: the row is there for is_voided
};
std::string_view name_of(InterventionKind kind);

struct Intervention {
  RecordKey record;
  InterventionKind kind = InterventionKind::kNone;
  // The queue has lost the record after it was accounted for, and what was counted for it was taken
  // back.
  bool is_voided = false;
  std::int64_t at_ms = 0;  // unix time
  Actor actor;
  Timestamp time;  // of the event, as are the next two
  std::string id;
  std::string type;
  bool operator==(const Intervention&) const = default;
};

// Those of a lane that were skipped and not lost by the queue since.
std::set<RecordKey> skipped_of(const std::vector<Intervention>& rows, Lane lane);

// Without the record, which is in the key.
std::string encode_intervention(const Intervention& row);
Result<Intervention> decode_intervention(const RecordKey& record, std::string_view bytes);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_INTERVENTION_H_
