#include "queue/dead_letter_rows.h"

#include <fmt/format.h>

#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/check.h"
#include "queue/delivery_schema.h"

namespace sluice::queue {
namespace {

std::string_view view_of(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

using Rows = std::map<RecordKey, std::pair<std::uint64_t, Intervention>>;

// Of a lane, from a number on; the versions of a record follow each other.
Result<Rows> read_rows(Database& database, Lane lane, Seq first) {
  Rows rows;
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(scan_options(), database.family(kDefaultFamily)));
  const std::string whole_lane =
      intervention_prefix(lane, 0).substr(0, kInterventionPrefix.size() + 1);
  for (it->Seek(intervention_prefix(lane, first)); it->Valid() && it->key().starts_with(whole_lane);
       it->Next()) {
    SLUICE_ASSIGN(const auto key, decode_record_key(view_of(it->key()), kInterventionPrefix));
    SLUICE_ASSIGN(Intervention row, decode_intervention(key.record, view_of(it->value())));
    rows[key.record] = {key.version, std::move(row)};
  }
  if (!it->status().ok()) {
    return fail(database_error("read the interventions in", database.path(), it->status()));
  }
  return rows;
}

Result<void> visit_rows(
    Database& database,
    const std::function<bool(const VersionedRecordKey&, std::size_t bytes, DeadLetter)>& visit) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(scan_options(), database.family(kDeadFamily)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    SLUICE_ASSIGN(const auto key, decode_record_key(view_of(it->key()), ""));
    SLUICE_ASSIGN(DeadLetter letter, decode_dead_letter(view_of(it->value())));
    if (!visit(key, it->value().size(), std::move(letter))) return {};
  }
  if (!it->status().ok()) {
    return fail(database_error("read the dead letters in", database.path(), it->status()));
  }
  return {};
}

}  // namespace

Result<void> visit_dead_letters(
    Database& database, const std::function<bool(DeadLetter letter, std::size_t bytes)>& visit) {
  return visit_rows(database, [&](const VersionedRecordKey&, std::size_t bytes, DeadLetter letter) {
    return visit(std::move(letter), bytes);
  });
}

Result<std::vector<Intervention>> read_interventions(Database& database) {
  std::vector<Intervention> all;
  for (const Lane lane : kLanes) {
    SLUICE_ASSIGN(auto rows, read_rows(database, lane, 0));
    for (auto& [record, row] : rows) all.push_back(std::move(row.second));
  }
  return all;
}

Result<DeadLetterRows> DeadLetterRows::load(Database& database) {
  DeadLetterRows rows;
  SLUICE_TRY(visit_rows(database, [&](const VersionedRecordKey& key, std::size_t bytes,
                                      const DeadLetter& letter) {
    rows.letters_[key.record] = {
        .row_version = key.version, .bytes = bytes, .is_event = letter.kind == RecordKind::kEvent};
    ++rows.totals_[key.record.lane].count;
    rows.totals_[key.record.lane].bytes += bytes;
    return true;
  }));
  for (const Lane lane : kLanes) {
    SLUICE_ASSIGN(const auto interventions, read_rows(database, lane, 0));
    for (const auto& [record, row] : interventions) {
      const auto found = rows.letters_.find(record);
      // What was done about an earlier letter of the same record is history.
      const bool is_of_a_letter = row.second.kind == InterventionKind::kRequeueAsked ||
                                  row.second.kind == InterventionKind::kNone;
      if (found == rows.letters_.end() || !is_of_a_letter) continue;
      found->second.intervention_version = row.first;
      found->second.is_requeued = row.second.kind == InterventionKind::kRequeueAsked;
      found->second.may_be_under_way = found->second.is_requeued;
      found->second.is_voided = row.second.is_voided;
      if (found->second.is_requeued) ++rows.requeued_count_[lane];
    }
  }
  return rows;
}

const DeadLetterEntry* DeadLetterRows::find(const RecordKey& record) const {
  const auto found = letters_.find(record);
  return found == letters_.end() ? nullptr : &found->second;
}

DeadLetterTotals DeadLetterRows::totals(Lane lane) const { return totals_[lane]; }

std::vector<RecordKey> DeadLetterRows::requeued(Lane lane) const {
  std::vector<RecordKey> records;
  for (auto it = letters_.lower_bound({lane, 0, 0}); it != letters_.end() && it->first.lane == lane;
       ++it) {
    if (it->second.is_requeued) records.push_back(it->first);
  }
  return records;
}

Result<DeadLetter> DeadLetterRows::read(Database& database, const RecordKey& record) const {
  const DeadLetterEntry* entry = find(record);
  if (entry == nullptr) {
    return fail(ErrorKind::kNotFound, fmt::format("there is no dead letter {} in lane {}",
                                                  record.seq, name_of(record.lane)));
  }
  SLUICE_ASSIGN(const auto bytes, database.get(kDeadFamily, dead_key(record, entry->row_version)));
  if (!bytes) {
    return fail(ErrorKind::kCorrupt, fmt::format("the delivery store is damaged: dead letter {} of "
                                                 "lane {} is gone",
                                                 record.seq, name_of(record.lane)));
  }
  return decode_dead_letter(*bytes);
}

Result<Intervention> DeadLetterRows::read_intervention(Database& database,
                                                       const RecordKey& record) const {
  const std::uint64_t version = letters_.at(record).intervention_version;
  SLUICE_ASSIGN(const auto bytes, database.get(kDefaultFamily, intervention_key(record, version)));
  if (!bytes) {
    return fail(ErrorKind::kCorrupt, "the delivery store is damaged: an intervention is gone");
  }
  return decode_intervention(record, *bytes);
}

void DeadLetterRows::put_row(const Database& database, const DeadLetter& letter,
                             std::uint64_t version, rocksdb::WriteBatch* batch) {
  auto* family = database.family(kDeadFamily);
  const RecordKey record = letter.key();
  const auto [at, is_new] = letters_.try_emplace(record);
  DeadLetterTotals& totals = totals_[record.lane];
  if (is_new) {
    ++totals.count;
  } else {
    batch->Delete(family, dead_key(record, at->second.row_version));
    totals.bytes -= at->second.bytes;
  }
  const std::string bytes = encode_dead_letter(letter);
  batch->Put(family, dead_key(record, version), bytes);
  at->second.row_version = version;
  at->second.bytes = bytes.size();
  at->second.is_event = letter.kind == RecordKind::kEvent;
  totals.bytes += bytes.size();
}

void DeadLetterRows::put(const Database& database, const DeadLetter& letter, std::uint64_t version,
                         rocksdb::WriteBatch* batch) {
  put_row(database, letter, version, batch);
  forget_intervention(database, letter.key(), batch);
  came_back(letter.key());
}

void DeadLetterRows::replace(const Database& database, const DeadLetter& letter,
                             std::uint64_t version, rocksdb::WriteBatch* batch) {
  SLUICE_CHECK(letters_.contains(letter.key()), "a letter that is replaced is there");
  put_row(database, letter, version, batch);
}

void DeadLetterRows::forget_intervention(const Database& database, const RecordKey& record,
                                         rocksdb::WriteBatch* batch) {
  DeadLetterEntry& entry = letters_.at(record);
  if (entry.intervention_version != 0) {
    batch->Delete(database.family(kDefaultFamily),
                  intervention_key(record, entry.intervention_version));
  }
  if (entry.is_requeued) --requeued_count_[record.lane];
  entry.intervention_version = 0;
  entry.is_requeued = entry.is_voided = false;
}

void DeadLetterRows::remove(const Database& database, const RecordKey& record,
                            rocksdb::WriteBatch* batch) {
  forget_intervention(database, record, batch);
  const auto at = letters_.find(record);
  batch->Delete(database.family(kDeadFamily), dead_key(record, at->second.row_version));
  --totals_[record.lane].count;
  totals_[record.lane].bytes -= at->second.bytes;
  letters_.erase(at);
}

void DeadLetterRows::intervene(const Database& database, const Intervention& row,
                               std::uint64_t version, rocksdb::WriteBatch* batch) {
  forget_intervention(database, row.record, batch);
  DeadLetterEntry& entry = letters_.at(row.record);
  if (row.kind == InterventionKind::kNone && !row.is_voided) return;
  batch->Put(database.family(kDefaultFamily), intervention_key(row.record, version),
             encode_intervention(row));
  entry.intervention_version = version;
  entry.is_requeued = row.kind == InterventionKind::kRequeueAsked;
  entry.is_voided = row.is_voided;
  if (!entry.is_requeued) return;
  entry.may_be_under_way = true;
  ++requeued_count_[row.record.lane];
}

Result<void> DeadLetterRows::void_from(Database& database, Lane lane, Seq first,
                                       std::uint64_t version, rocksdb::WriteBatch* batch) {
  SLUICE_ASSIGN(auto rows, read_rows(database, lane, first));
  for (auto& [record, old] : rows) {
    auto& [old_version, row] = old;
    if (letters_.contains(record) || row.is_voided) continue;
    row.is_voided = true;
    batch->Delete(database.family(kDefaultFamily), intervention_key(record, old_version));
    batch->Put(database.family(kDefaultFamily), intervention_key(record, version),
               encode_intervention(row));
  }
  for (auto it = letters_.lower_bound({lane, first, 0});
       it != letters_.end() && it->first.lane == lane; ++it) {
    if (it->second.is_voided && !it->second.is_requeued) continue;
    Intervention row;
    row.record = it->first;
    row.is_voided = true;
    intervene(database, row, version, batch);
  }
  return {};
}

}  // namespace sluice::queue
