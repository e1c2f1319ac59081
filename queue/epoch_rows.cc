#include "queue/epoch_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "queue/bytes.h"

namespace sluice::queue {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string epoch_row_key(const Epoch& epoch) {
  std::string key;
  put_big(&key, epoch.number);
  put_big(&key, epoch.nonce);
  return key;
}

std::string encode_epoch_row(const EpochRow& row) {
  std::string value;
  put_little(&value, kVersion);
  for (const Lane lane : kLanes) put_little(&value, row.first[lane]);
  put_little(&value, static_cast<std::uint64_t>(row.opened_at_ms));
  return value;
}

Result<EpochRow> decode_epoch_row(std::string_view key_bytes, std::string_view bytes) {
  ByteReader key(key_bytes);
  EpochRow row;
  row.epoch.number = key.big<std::uint64_t>();
  row.epoch.nonce = key.big<std::uint64_t>();
  ByteReader value(bytes);
  const auto version = value.little<std::uint8_t>();
  for (const Lane lane : kLanes) row.first[lane] = value.little<Seq>();
  row.opened_at_ms = static_cast<std::int64_t>(value.little<std::uint64_t>());
  if (version != kVersion) {
    return fail(ErrorKind::kFormat,
                fmt::format("an epoch row has version {}, which this program does not know: use "
                            "the release that wrote it, or a newer one",
                            version));
  }
  if (!key.finished() || !value.finished()) {
    return fail(ErrorKind::kCorrupt, "an epoch row is damaged");
  }
  return row;
}

Result<std::vector<EpochRow>> read_epochs(Database& database) {
  std::vector<EpochRow> rows;
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(scan_options(), database.family(kEpochsFamily)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const auto row = decode_epoch_row({it->key().data(), it->key().size()},
                                      {it->value().data(), it->value().size()});
    if (!row) {
      return fail(row.error().kind,
                  fmt::format("{}: {}", database.path().string(), row.error().message));
    }
    rows.push_back(*row);
  }
  if (!it->status().ok()) {
    return fail(database_error("read the epochs in", database.path(), it->status()));
  }
  return rows;
}

void put_epoch_row(const Database& database, const EpochRow& row, rocksdb::WriteBatch* batch) {
  batch->Put(database.family(kEpochsFamily), epoch_row_key(row.epoch), encode_epoch_row(row));
}

void delete_epoch_row(const Database& database, const EpochRow& row, rocksdb::WriteBatch* batch) {
  batch->Delete(database.family(kEpochsFamily), epoch_row_key(row.epoch));
}

EpochIndex::EpochIndex(const std::vector<EpochRow>& rows, Lane lane) {
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    const Seq first = row->first[lane];
    if (segments_.empty() || first < segments_.back().first) {
      segments_.push_back({first, row->epoch.number});
    }
  }
  std::reverse(segments_.begin(), segments_.end());
}

std::optional<std::uint64_t> EpochIndex::epoch_of(Seq seq) const {
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), seq,
                                      [](Seq value, const Segment& s) { return value < s.first; });
  if (after == segments_.begin()) return std::nullopt;
  return std::prev(after)->epoch;
}

}  // namespace sluice::queue
