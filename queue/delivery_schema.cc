#include "queue/delivery_schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "queue/bytes.h"
#include "queue/epoch_rows.h"
#include "queue/ledger_store.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {
constexpr std::uint8_t kVersion = 1;

// What a row that was not read to its end, or has another version than ours, means.
Result<void> check_row(const ByteReader& reader, std::uint8_t version, std::string_view what) {
  if (version != kVersion) {
    return fail(
        ErrorKind::kFormat,
        fmt::format("the delivery store holds {} of version {}, which this program does not "
                    "know: use the release that wrote it, or a newer one",
                    what, version));
  }
  if (!reader.finished()) {
    return fail(ErrorKind::kCorrupt, fmt::format("the delivery store is damaged: {}", what));
  }
  return {};
}
}  // namespace

std::vector<ColumnFamilySpec> delivery_families(int version) {
  std::vector<ColumnFamilySpec> families;
  for (const std::string_view name : {kDefaultFamily, kEpochsFamily, kLedgerFamily, kLanesFamily,
                                      kAnswersFamily, kDeadFamily, kJournalFamily}) {
    families.push_back({std::string(name), Usage::kRows});
  }
  if (version >= 2) families.push_back({std::string(kJobsFamily), Usage::kRows});
  return families;
}

std::string binding_key(std::uint64_t version) {
  std::string key(kBindingPrefix);
  put_big(&key, version);
  return key;
}

std::string encode_binding(const Binding& binding) {
  std::string bytes;
  put_little(&bytes, kVersion);
  bytes += id_bytes(binding.queue_id);
  put_sized(&bytes, binding.cluster);
  put_sized(&bytes, binding.machine_id);
  return bytes;
}

Result<Binding> decode_binding(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto version = reader.little<std::uint8_t>();
  Binding binding;
  binding.queue_id = take_id(&reader);
  binding.cluster = reader.sized();
  binding.machine_id = reader.sized();
  SLUICE_TRY(check_row(reader, version, "a binding to a queue"));
  return binding;
}

std::string lane_prefix(Lane lane) {
  std::string prefix;
  put_big(&prefix, static_cast<std::uint8_t>(lane));
  return prefix;
}

std::string encode_lane_row(const LaneRow& row) {
  std::string bytes;
  put_little(&bytes, kVersion);
  bytes += id_bytes(row.queue_id);
  const LaneProgress& progress = row.progress;
  for (const std::uint64_t value :
       {row.epoch.number, row.epoch.nonce, progress.position, row.completed_count,
        progress.acknowledged, progress.dead, progress.skipped, progress.gap, progress.voided,
        static_cast<std::uint64_t>(progress.acknowledged_at_ms)}) {
    put_little(&bytes, value);
  }
  return bytes;
}

Result<LaneRow> decode_lane_row(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto version = reader.little<std::uint8_t>();
  LaneRow row;
  row.queue_id = take_id(&reader);
  LaneProgress& progress = row.progress;
  for (std::uint64_t* value : {&row.epoch.number, &row.epoch.nonce, &progress.position,
                               &row.completed_count, &progress.acknowledged, &progress.dead,
                               &progress.skipped, &progress.gap, &progress.voided}) {
    *value = reader.little<std::uint64_t>();
  }
  progress.acknowledged_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  SLUICE_TRY(check_row(reader, version, "a lane's position"));
  return row;
}

std::string answer_key(Lane lane, Seq first) {
  std::string key = lane_prefix(lane);
  put_big(&key, first);
  return key;
}

std::string encode_answer(const AnswerRow& row) {
  std::string bytes;
  put_little(&bytes, kVersion);
  put_little(&bytes, row.numbers.last);
  put_little(&bytes, static_cast<std::uint32_t>(row.delta.size()));
  for (const auto& [key, ledger_row] : row.delta) {
    put_little(&bytes, static_cast<std::uint32_t>(key.day));
    put_sized(&bytes, encode_ledger_row(ledger_row));
  }
  return bytes;
}

Result<AnswerRow> decode_answer(Lane lane, std::string_view key, std::string_view value) {
  ByteReader key_reader(key);
  key_reader.bytes(1);
  AnswerRow row;
  row.numbers.first = key_reader.big<Seq>();
  ByteReader reader(value);
  const auto version = reader.little<std::uint8_t>();
  row.numbers.last = reader.little<Seq>();
  const auto count = reader.little<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    const auto day = static_cast<Day>(reader.little<std::uint32_t>());
    SLUICE_ASSIGN(const LedgerRow ledger_row, decode_ledger_row(reader.sized()));
    row.delta.emplace(LedgerKey{day, lane}, ledger_row);
  }
  SLUICE_TRY(check_row(reader, version, "a range of answers"));
  if (!key_reader.finished() || row.numbers.last < row.numbers.first) {
    return fail(ErrorKind::kCorrupt, "the delivery store is damaged: a range of answers");
  }
  return row;
}

namespace {
void put_record_key(std::string* key, const RecordKey& record, std::uint64_t version) {
  *key += lane_prefix(record.lane);
  put_big(key, record.seq);
  put_big(key, record.epoch);
  if (version != 0) put_big(key, version);
}
}  // namespace

std::string dead_key(const RecordKey& record, std::uint64_t version) {
  std::string key;
  put_record_key(&key, record, version);
  return key;
}

std::string intervention_key(const RecordKey& record, std::uint64_t version) {
  std::string key(kInterventionPrefix);
  put_record_key(&key, record, version);
  return key;
}

std::string intervention_prefix(Lane lane, Seq seq) {
  std::string key(kInterventionPrefix);
  key += lane_prefix(lane);
  put_big(&key, seq);
  return key;
}

Result<VersionedRecordKey> decode_record_key(std::string_view key, std::string_view prefix) {
  ByteReader reader(key.substr(std::min(key.size(), prefix.size())));
  VersionedRecordKey decoded;
  const auto lane = reader.big<std::uint8_t>();
  decoded.record.seq = reader.big<Seq>();
  decoded.record.epoch = reader.big<std::uint64_t>();
  if (!reader.rest().empty()) decoded.version = reader.big<std::uint64_t>();
  if (!reader.finished() || lane >= kLaneCount) {
    return fail(ErrorKind::kCorrupt, "the delivery store is damaged: the key of a dead letter");
  }
  decoded.record.lane = static_cast<Lane>(lane);
  return decoded;
}

}  // namespace sluice::queue
