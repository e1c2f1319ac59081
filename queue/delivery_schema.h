// The names, keys and values of the delivery store's database. Internal to queue/;
// docs/queue-format.md describes them.
#ifndef SLUICE_QUEUE_DELIVERY_SCHEMA_H_
#define SLUICE_QUEUE_DELIVERY_SCHEMA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/database.h"
#include "queue/delivery_store.h"
#include "queue/format_file.h"
#include "queue/ledger.h"
#include "queue/types.h"

namespace sluice::queue {

inline constexpr std::string_view kLanesFamily = "lanes";  // how far each lane is
inline constexpr std::string_view kAnswersFamily =
    "answers";  // which numbers were accounted for together
inline constexpr std::string_view kDeadFamily = "dead";
inline constexpr std::string_view kJournalFamily =
    "journal";                                           // who changed what and why; never trimmed
inline constexpr std::string_view kJobsFamily = "jobs";  // replay jobs; since version 2

inline constexpr std::string_view kStoreIdKey = "delivery-id";  // written once
inline constexpr std::string_view kBindingPrefix = "binding/";  // + version
std::string binding_key(std::uint64_t version);

// As queue_families().
std::vector<ColumnFamilySpec> delivery_families(int version = kFormatVersion);

// Which queue the store belongs to.
struct Binding {
  Id128 queue_id;
  std::string cluster;     // may be empty
  std::string machine_id;  // may be empty
};
std::string encode_binding(const Binding& binding);
Result<Binding> decode_binding(std::string_view bytes);

// A lane's progress without the ranges beyond the position (those are the answers beyond it), with
// the position's full form: queue, epoch and number.
struct LaneRow {
  Id128 queue_id;
  Epoch epoch;
  std::uint64_t completed_count = 0;
  LaneProgress progress;
};
std::string lane_prefix(Lane lane);
std::string encode_lane_row(const LaneRow& row);
Result<LaneRow> decode_lane_row(std::string_view bytes);

// Numbers that were accounted for in one commit, with what they added to the ledger, so that this
// can be taken back.
struct AnswerRow {
  SeqRange numbers;
  Ledger delta;
};
std::string answer_key(Lane lane, Seq first);
std::string encode_answer(const AnswerRow& row);
Result<AnswerRow> decode_answer(Lane lane, std::string_view key, std::string_view value);

// Without a version (0), as older programs wrote all of them, or with one behind it.
std::string dead_key(const RecordKey& record, std::uint64_t version);

// In the default family: "intervention/" + lane, number, epoch, version. See intervention.h.
inline constexpr std::string_view kInterventionPrefix = "intervention/";
std::string intervention_key(const RecordKey& record, std::uint64_t version);
// The first key of those of a lane with this number or a later one.
std::string intervention_prefix(Lane lane, Seq seq);

// A key's lane, number, epoch and, if there is one, version (else 0), behind `prefix`.
struct VersionedRecordKey {
  RecordKey record;
  std::uint64_t version = 0;
};
Result<VersionedRecordKey> decode_record_key(std::string_view key, std::string_view prefix);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DELIVERY_SCHEMA_H_
