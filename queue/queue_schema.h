// The names and keys of the queue's database. Internal to queue/; docs/queue-format.md describes
// them.
#ifndef SLUICE_QUEUE_QUEUE_SCHEMA_H_
#define SLUICE_QUEUE_QUEUE_SCHEMA_H_

#include <string>
#include <string_view>
#include <vector>

#include "queue/bytes.h"
#include "queue/database.h"
#include "queue/epoch_rows.h"
#include "queue/key_parts.h"
#include "queue/ledger_store.h"
#include "queue/types.h"

namespace sluice::queue {

inline constexpr std::string_view kSeenFamily = "seen";

// Keys in the default column family that are written once and never changed, so that readers may
// have them.
inline constexpr std::string_view kQueueIdKey = "queue-id";
inline constexpr std::string_view kClusterKey = "cluster";
inline constexpr std::string_view kDeliveryIdKey = "delivery-id";
// Written anew under a higher version when the queue moves: "machine-id/" + big-endian u64.
inline constexpr std::string_view kMachineIdPrefix = "machine-id/";
// The caller's state, which only the writer reads.
inline constexpr std::string_view kStatePrefix = "state/";

inline std::vector<ColumnFamilySpec> queue_families() {
  return {{std::string(kDefaultFamily), Usage::kRows},
          {std::string(name_of(Lane::kAudit)), Usage::kRecords},
          {std::string(name_of(Lane::kSession)), Usage::kRecords},
          {std::string(kEpochsFamily), Usage::kRows},
          {std::string(kLedgerFamily), Usage::kRows},
          {std::string(kSeenFamily), Usage::kIds}};
}

// Ids of seen events are the writer's alone: a reader leaves them out.
inline std::vector<ColumnFamilySpec> queue_reader_families() {
  auto families = queue_families();
  families.pop_back();
  return families;
}

inline std::string record_key(Seq seq) {
  std::string key;
  put_big(&key, seq);
  return key;
}

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUE_SCHEMA_H_
