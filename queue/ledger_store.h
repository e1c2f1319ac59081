// The ledger's rows in a database. Internal to queue/; both databases use it.
//
// Each row is written under a key that ends in a version and is never overwritten, since a
// secondary may return an old value of an overwritten key for ever: the newest version of a day and
// lane is the row.
#ifndef SLUICE_QUEUE_LEDGER_STORE_H_
#define SLUICE_QUEUE_LEDGER_STORE_H_

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <string>

#include "common/error.h"
#include "queue/database.h"
#include "queue/ledger.h"

namespace sluice::queue {

inline constexpr std::string_view kLedgerFamily = "ledger";

std::string ledger_row_key(const LedgerKey& key, std::uint64_t version);

// All rows as the database has them now.
Result<Ledger> read_ledger(Database& database);

// The writer's copy of the rows. If the write of a batch that it filled fails, it must not be used
// again.
class LedgerStore {
 public:
  static Result<LedgerStore> load(Database& database);
  // Adds `delta` to the rows and puts the changed rows, under `version` (higher at each call), into
  // the batch.
  void add(const Database& database, const Ledger& delta, std::uint64_t version,
           rocksdb::WriteBatch* batch);
  void subtract(const Database& database, const Ledger& delta, std::uint64_t version,
                rocksdb::WriteBatch* batch);
  const Ledger& rows() const { return rows_; }
  std::uint64_t newest_version() const { return newest_version_; }

 private:
  void put(const Database& database, const LedgerKey& key, std::uint64_t version,
           rocksdb::WriteBatch* batch);
  Ledger rows_;
  std::map<LedgerKey, std::uint64_t> versions_;
  std::uint64_t newest_version_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LEDGER_STORE_H_
