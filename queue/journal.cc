#include "queue/journal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "queue/bytes.h"
#include "queue/delivery_schema.h"
#include "queue/ledger_store.h"

namespace sluice::queue {

Result<std::uint64_t> newest_journal_version(Database& database) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(scan_options(), database.family(kJournalFamily)));
  it->SeekToLast();
  if (!it->status().ok()) {
    return fail(database_error("read the journal in", database.path(), it->status()));
  }
  if (!it->Valid()) return 0;
  ByteReader key({it->key().data(), it->key().size()});
  return key.big<std::uint64_t>();
}

Result<std::uint64_t> newest_version_of(Database& database) {
  SLUICE_ASSIGN(std::uint64_t newest, newest_journal_version(database));
  SLUICE_ASSIGN(const auto binding, database.newest(kDefaultFamily, kBindingPrefix));
  if (binding) newest = std::max(newest, binding->version);
  // Of these the key ends in the version.
  for (const std::string_view family : {kLanesFamily, kLedgerFamily, kJobsFamily}) {
    const std::unique_ptr<rocksdb::Iterator> it(
        database.db().NewIterator(scan_options(), database.family(family)));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const std::string_view key(it->key().data(), it->key().size());
      if (key.size() < sizeof(std::uint64_t)) continue;
      ByteReader version(key.substr(key.size() - sizeof(std::uint64_t)));
      newest = std::max(newest, version.big<std::uint64_t>());
    }
    if (!it->status().ok()) {
      return fail(database_error("read the database", database.path(), it->status()));
    }
  }
  return newest;
}

void put_journal_line(const Database& database, std::uint64_t version, Timestamp now,
                      std::string_view text, rocksdb::WriteBatch* batch) {
  std::string key;
  put_big(&key, version);
  put_big(&key, static_cast<std::uint64_t>(batch->Count()));  // several lines of one write
  batch->Put(database.family(kJournalFamily), key, fmt::format("{} {}", format_rfc3339(now), text));
}

std::string by_whom(std::string_view reason) {
  const char* name = std::getenv("SUDO_USER");
  return fmt::format("by the user with id {}{}: {}", ::getuid(),
                     name == nullptr ? "" : fmt::format(" ({}, as sudo says)", name), reason);
}

}  // namespace sluice::queue
