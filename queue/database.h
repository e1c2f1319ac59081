// RocksDB with the options that two-process use needs (docs/architecture.md, "The queue's rules").
// Internal to queue/.
//
// One primary a database, all others are secondaries. Never destroy a Database while an iterator on
// it lives: Debian's RocksDB aborts.
#ifndef SLUICE_QUEUE_DATABASE_H_
#define SLUICE_QUEUE_DATABASE_H_

#include <rocksdb/db.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/log_files.h"
#include "queue/types.h"

namespace sluice::queue {

// What a column family holds, which decides its memory and layout.
enum class Usage {
  kAuditRecords,    // a lane: large values, appended in key order, read in key order
  kSessionRecords,  // the other one
  kIds,             // small values at random keys, looked up
  kRows,            // little of anything else
};

struct ColumnFamilySpec {
  std::string name;
  Usage usage = Usage::kRows;
};

// How large a primary's parts become.
struct DatabaseSizes {
  std::uint64_t log_bytes_max = 256U << 20;  // of all write-ahead logs together
  PerLane<std::uint64_t> record_buffer_bytes{32U << 20, 32U << 20};
  PerLane<std::uint64_t> record_file_bytes{256U << 20, 256U << 20};
};

inline constexpr std::string_view kDefaultFamily = "default";

// When a write is on the disk: before the call returns, or with the next sync.
enum class Durable { kAtOnce, kWithNextSync };

// A row that is written anew under a higher version instead of being overwritten.
struct VersionedRow {
  std::uint64_t version = 0;
  std::string value;
};

class Database {
 public:
  // Creates what is missing. kFormat: it has column families that are not in `families`.
  static Result<std::unique_ptr<Database>> open_primary(
      const std::filesystem::path& path, const std::vector<ColumnFamilySpec>& families,
      rocksdb::Env* env, const DatabaseSizes& sizes = {});

  // Follows a primary. Opens those of `families` that exist. Makes `scratch` for its own logs.
  // kBusy: try again.
  static Result<std::unique_ptr<Database>> open_secondary(
      const std::filesystem::path& path, const std::filesystem::path& scratch,
      const std::vector<ColumnFamilySpec>& families);

  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }
  // The column family must have been opened (checked).
  rocksdb::ColumnFamilyHandle* family(std::string_view name) const;
  bool has_family(std::string_view name) const { return handles_.contains(name); }

  // One atomic write. With kAtOnce all writes before it are durable, too.
  Result<void> write(rocksdb::WriteBatch* batch, Durable durable = Durable::kAtOnce);
  // Makes durable all that was written before. From any thread, also while another writes. After an
  // error nothing that is written becomes durable any more.
  Result<void> sync_log();
  // The newest of the rows PREFIX + big-endian version, each written once and never overwritten (a
  // secondary may return old values of overwritten keys for ever). Nothing if there is none.
  Result<std::optional<VersionedRow>> newest(std::string_view family_name, std::string_view prefix);
  Result<std::optional<std::string>> get(std::string_view family_name, std::string_view key);

  // From now on no file is deleted, not even when this is closed: at the path may be another
  // database now.
  void keep_files();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit Database(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  std::unique_ptr<LogFiles> logs_;  // a primary's
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*, std::less<>> handles_;
};

// The sentence and kind for a RocksDB status that is not OK.
Error database_error(std::string_view operation, const std::filesystem::path& path,
                     const rocksdb::Status& status);

// In the default family of both databases: when, by whom and why this instance was retired.
inline constexpr std::string_view kRetiredKey = "retired";
// kIdentity if it has been.
Result<void> refuse_retired(Database& database, const std::filesystem::path& folder);

// For the calling thread: RocksDB counts nothing of what it does, which it does for every key that
// it compares.
void count_nothing();

// Read options for what a secondary or a scan reads: checksums verified, nothing kept in the cache.
rocksdb::ReadOptions scan_options();

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DATABASE_H_
