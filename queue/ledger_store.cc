#include "queue/ledger_store.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "queue/bytes.h"
#include "queue/key_parts.h"

namespace sluice::queue {

std::string ledger_row_key(const LedgerKey& key, std::uint64_t version) {
  std::string bytes;
  put_day(&bytes, key.day);
  put_big(&bytes, static_cast<std::uint8_t>(key.lane));
  put_big(&bytes, version);
  return bytes;
}

namespace {

using Visit = std::function<void(const LedgerKey&, std::uint64_t version, const LedgerRow&)>;

// In key order, so that of one day and lane the newest version comes last.
Result<void> for_each_row(Database& database, const Visit& visit) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(scan_options(), database.family(kLedgerFamily)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    ByteReader reader({it->key().data(), it->key().size()});
    LedgerKey key;
    key.day = take_day(&reader);
    key.lane = static_cast<Lane>(reader.big<std::uint8_t>());
    const auto version = reader.big<std::uint64_t>();
    if (!reader.finished() || static_cast<std::size_t>(key.lane) >= kLaneCount) {
      return fail(ErrorKind::kCorrupt, "the ledger in " + database.path().string() + " is damaged");
    }
    SLUICE_ASSIGN(const LedgerRow row, decode_ledger_row({it->value().data(), it->value().size()}));
    visit(key, version, row);
  }
  if (!it->status().ok()) {
    return fail(database_error("read the ledger in", database.path(), it->status()));
  }
  return {};
}

}  // namespace

Result<Ledger> read_ledger(Database& database) {
  Ledger ledger;
  SLUICE_TRY(for_each_row(database, [&](const LedgerKey& key, std::uint64_t, const LedgerRow& row) {
    ledger[key] = row;
  }));
  return ledger;
}

Result<LedgerStore> LedgerStore::load(Database& database) {
  LedgerStore store;
  SLUICE_TRY(for_each_row(database,
                          [&](const LedgerKey& key, std::uint64_t version, const LedgerRow& row) {
                            store.rows_[key] = row;
                            store.versions_[key] = version;
                            store.newest_version_ = std::max(store.newest_version_, version);
                          }));
  return store;
}

void LedgerStore::put(const Database& database, const LedgerKey& key, std::uint64_t version,
                      rocksdb::WriteBatch* batch) {
  auto* family = database.family(kLedgerFamily);
  const auto old = versions_.find(key);
  if (old != versions_.end()) batch->Delete(family, ledger_row_key(key, old->second));
  batch->Put(family, ledger_row_key(key, version), encode_ledger_row(rows_[key]));
  versions_[key] = version;
  newest_version_ = std::max(newest_version_, version);
}

void LedgerStore::add(const Database& database, const Ledger& delta, std::uint64_t version,
                      rocksdb::WriteBatch* batch) {
  for (const auto& [key, row] : delta) {
    rows_[key] += row;
    put(database, key, version, batch);
  }
}

void LedgerStore::subtract(const Database& database, const Ledger& delta, std::uint64_t version,
                           rocksdb::WriteBatch* batch) {
  for (const auto& [key, row] : delta) {
    rows_[key] -= row;
    put(database, key, version, batch);
  }
}

}  // namespace sluice::queue
