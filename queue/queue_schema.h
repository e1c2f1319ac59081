// The names and keys of the queue's database. Internal to queue/; docs/queue-format.md describes
// them.
#ifndef SLUICE_QUEUE_QUEUE_SCHEMA_H_
#define SLUICE_QUEUE_QUEUE_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/bytes.h"
#include "queue/database.h"
#include "queue/epoch_rows.h"
#include "queue/format_file.h"
#include "queue/key_parts.h"
#include "queue/ledger_store.h"
#include "queue/types.h"

namespace sluice::queue {

inline constexpr std::string_view kSeenFamily = "seen";
inline constexpr std::string_view kHistoryFamily = "history";  // since version 2

// A file in a repaired database's folder, until the old one has been put aside.
inline constexpr std::string_view kRepairedMark = "REPAIRED";

// Keys in the default column family that are written once and never changed, so that readers may
// have them.
inline constexpr std::string_view kQueueIdKey = "queue-id";
inline constexpr std::string_view kClusterKey = "cluster";
inline constexpr std::string_view kDeliveryIdKey = "delivery-id";
// Written anew under a higher version when the queue moves: "machine-id/" + big-endian u64.
inline constexpr std::string_view kMachineIdPrefix = "machine-id/";
// The last number of each lane, rewritten with each batch that has records, so that it is as new as
// the state beside it. Since version 2; only the writer reads it.
inline constexpr std::string_view kNumbersKey = "numbers";
// The first number of each lane that is kept: "floor/" + big-endian u64 version. Since version 2.
inline constexpr std::string_view kFloorPrefix = "floor/";
// Up to where trimmed records are off the disk, and since when that is so: "erased/" + big-endian
// u64 version. Only the writer reads it.
inline constexpr std::string_view kErasedPrefix = "erased/";
// How far Teleport has been read completely: "read-up-to/" + big-endian u64 version.
inline constexpr std::string_view kReadUpToPrefix = "read-up-to/";
// The caller's state, which only the writer reads.
inline constexpr std::string_view kStatePrefix = "state/";

// The column families of a format version. RocksDB numbers them in the order in which they are
// made, which is this one, also in a queue that was begun with an older version.
inline std::vector<ColumnFamilySpec> queue_families(int version = kFormatVersion) {
  std::vector<ColumnFamilySpec> families = {
      {std::string(kDefaultFamily), Usage::kRows},
      {std::string(name_of(Lane::kAudit)), Usage::kAuditRecords},
      {std::string(name_of(Lane::kSession)), Usage::kSessionRecords},
      {std::string(kEpochsFamily), Usage::kRows},
      {std::string(kLedgerFamily), Usage::kRows},
      {std::string(kSeenFamily), Usage::kIds}};
  if (version >= 2) families.push_back({std::string(kHistoryFamily), Usage::kRows});
  return families;
}

// Ids of seen events are the writer's alone: a reader leaves them out.
inline std::vector<ColumnFamilySpec> queue_reader_families(int version = kFormatVersion) {
  auto families = queue_families(version);
  std::erase_if(families, [](const auto& family) { return family.name == kSeenFamily; });
  return families;
}

inline std::string versioned_key(std::string_view prefix, std::uint64_t version) {
  std::string key(prefix);
  put_big(&key, version);
  return key;
}
inline std::string floor_key(std::uint64_t version) { return versioned_key(kFloorPrefix, version); }

// A number for each lane: the value of `numbers` and of a floor row.
inline constexpr std::size_t kLaneNumbersBytes = 1 + kLaneCount * sizeof(Seq);
inline std::string encode_lane_numbers(const PerLane<Seq>& numbers) {
  std::string bytes;
  put_little(&bytes, std::uint8_t{1});
  for (const Lane lane : kLanes) put_little(&bytes, numbers[lane]);
  return bytes;
}
inline std::optional<PerLane<Seq>> decode_lane_numbers(std::string_view bytes) {
  ByteReader reader(bytes);
  PerLane<Seq> numbers;
  const auto version = reader.little<std::uint8_t>();
  for (const Lane lane : kLanes) numbers[lane] = reader.little<Seq>();
  if (version != 1 || !reader.finished()) return std::nullopt;
  return numbers;
}

inline std::string record_key(Seq seq) {
  std::string key;
  put_big(&key, seq);
  return key;
}

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUE_SCHEMA_H_
