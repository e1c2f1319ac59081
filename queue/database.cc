#include "queue/database.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <system_error>

#include "common/check.h"
#include "common/files.h"
#include "queue/bytes.h"

namespace sluice::queue {
namespace {

constexpr std::size_t operator""_KiB(unsigned long long n) { return n << 10; }
constexpr std::size_t operator""_MiB(unsigned long long n) { return n << 20; }

void set_record_sizes(const DatabaseSizes& sizes, Lane lane,
                      rocksdb::ColumnFamilyOptions* options) {
  options->write_buffer_size = sizes.record_buffer_bytes[lane];
  options->max_write_buffer_number = 3;
  options->target_file_size_base = sizes.record_file_bytes[lane];
  options->max_bytes_for_level_base = 8 * sizes.record_file_bytes[lane];
}

rocksdb::ColumnFamilyOptions family_options(Usage usage, const DatabaseSizes& sizes) {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.block_size = 16_KiB;
  // One for all: each table factory would make one of its own. Scans leave nothing in it.
  static const auto cache = rocksdb::NewLRUCache(8_MiB);
  table.block_cache = cache;
  options.compression = rocksdb::kLZ4Compression;
  options.compaction_style = rocksdb::kCompactionStyleLevel;
  options.level0_file_num_compaction_trigger = 4;
  switch (usage) {
    case Usage::kAuditRecords:
      set_record_sizes(sizes, Lane::kAudit, &options);
      break;
    case Usage::kSessionRecords:
      set_record_sizes(sizes, Lane::kSession, &options);
      break;
    case Usage::kIds:
      options.write_buffer_size = 16_MiB;
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
      // Nearly all that is looked for is not there; without this each look is a walk through a list
      // of some 100,000. About 20 bits a key.
      options.memtable_whole_key_filtering = true;
      options.memtable_prefix_bloom_size_ratio = 0.02;
      break;
    case Usage::kRows:
      options.write_buffer_size = 1_MiB;
      break;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// What both kinds of opening have in common.
rocksdb::Options base_options() {
  rocksdb::Options options;
  options.max_open_files = -1;  // a secondary loses files under it otherwise
  options.max_background_jobs = 2;
  options.paranoid_checks = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.stats_dump_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 16_MiB;
  return options;
}

rocksdb::Options primary_options(rocksdb::Env* env, const DatabaseSizes& sizes) {
  rocksdb::Options options = base_options();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_total_wal_size = sizes.log_bytes_max;  // bounds the time to open after a kill
  // A reader holds a copy of what is unflushed, so this bounds the memory of both processes.
  options.db_write_buffer_size = 3 * std::max(sizes.record_buffer_bytes[Lane::kAudit],
                                              sizes.record_buffer_bytes[Lane::kSession]);
  // These two are for people and for the next opening, and must not fill a small disk.
  options.max_manifest_file_size = std::clamp(sizes.log_bytes_max / 4, 1_MiB, 64_MiB);
  options.max_log_file_size = std::clamp(sizes.log_bytes_max / 16, 256_KiB, 16_MiB);
  options.recycle_log_file_num = 0;
  options.track_and_verify_wals_in_manifest = true;
  options.max_bgerror_resume_count = 0;  // after any error: close and open anew, never resume
  options.bytes_per_sync = 1_MiB;
  options.avoid_flush_during_recovery = false;
  options.env = env;
  return options;
}

rocksdb::Options secondary_options() {
  rocksdb::Options options = base_options();
  options.max_file_opening_threads = 1;  // each catch-up starts this many: 16 cost 40 times as much
  return options;
}

using Descriptors = std::vector<rocksdb::ColumnFamilyDescriptor>;

Descriptors descriptors_for(const std::vector<ColumnFamilySpec>& families,
                            const DatabaseSizes& sizes = {}) {
  Descriptors descriptors;
  for (const auto& family : families) {
    descriptors.emplace_back(family.name, family_options(family.usage, sizes));
  }
  return descriptors;
}

bool is_known(const std::vector<ColumnFamilySpec>& families, std::string_view name) {
  return std::any_of(families.begin(), families.end(),
                     [&](const auto& family) { return family.name == name; });
}

// Opening a secondary while its primary creates or switches files fails in ways that pass.
bool passes_by_itself(const rocksdb::Status& status) {
  return status.IsTryAgain() || status.IsInvalidArgument() || status.IsIOError() ||
         status.IsNotFound();
}

// RocksDB names a full file system, but not an exhausted disk quota.
bool is_full(const rocksdb::Status& status) {
  return status.IsNoSpace() ||
         (status.IsIOError() && status.ToString().find("quota exceeded") != std::string::npos);
}

// A log of whose content an opening could take nothing stays beside the new one until the database
// is closed, and readers stumble over it. RocksDB needs it no more once a table is written (here
// with the deletion of a key that no one has), and deletes it when it looks through all files.
Result<void> drop_damaged_log(Database* database) {
  const auto is_log = [](const auto& entry) { return entry.path().extension() == ".log"; };
  std::error_code error;
  const std::filesystem::directory_iterator files(database->path(), error);
  if (std::count_if(begin(files), end(files), is_log) < 2) return {};
  rocksdb::WriteBatch batch;
  batch.Delete("log-was-damaged");
  SLUICE_TRY(database->write(&batch));
  rocksdb::Status done = database->db().Flush(rocksdb::FlushOptions());
  if (done.ok()) done = database->db().EnableFileDeletions(true);
  if (!done.ok()) return fail(database_error("open the database", database->path(), done));
  return {};
}

}  // namespace

Error database_error(std::string_view operation, const std::filesystem::path& path,
                     const rocksdb::Status& status) {
  ErrorKind kind = ErrorKind::kIo;
  std::string advice;
  if (status.IsCorruption()) {
    kind = ErrorKind::kCorrupt;
    advice = "; the files are damaged";
  } else if (is_full(status)) {
    kind = ErrorKind::kNoSpace;
    advice = "; make room on that file system";
  } else if (status.IsBusy() || status.IsTryAgain()) {
    kind = ErrorKind::kBusy;
  }
  return Error{
      kind, fmt::format("cannot {} {}: {}{}", operation, path.string(), status.ToString(), advice)};
}

Result<void> refuse_retired(Database& database, const std::filesystem::path& folder) {
  SLUICE_ASSIGN(const auto retired, database.get(kDefaultFamily, kRetiredKey));
  if (!retired) return {};
  return fail(ErrorKind::kIdentity,
              fmt::format("{} is retired (since {}): the instance lives elsewhere, and a copy must "
                          "not run beside it; where it is to live, run \"queuectl adopt\"",
                          folder.string(), *retired));
}

rocksdb::ReadOptions scan_options() {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  return options;
}

Result<std::unique_ptr<Database>> Database::open_primary(
    const std::filesystem::path& path, const std::vector<ColumnFamilySpec>& families,
    rocksdb::Env* env, const DatabaseSizes& sizes) {
  auto logs = std::make_unique<LogFiles>(env);
  const rocksdb::Options options = primary_options(logs->env(), sizes);
  std::vector<std::string> existing;
  // Fails when there is no database yet, which open() then creates; any other failure it meets
  // again.
  if (rocksdb::DB::ListColumnFamilies(options, path.string(), &existing).ok()) {
    for (const std::string& name : existing) {
      if (is_known(families, name)) continue;
      return fail(ErrorKind::kFormat,
                  fmt::format("the database {} has a part \"{}\" that this program does not know: "
                              "use the release that wrote it, or a newer one; nothing was changed",
                              path.string(), name));
    }
  }
  std::unique_ptr<Database> database(new Database(path));
  database->logs_ = std::move(logs);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(options, path.string(), descriptors_for(families, sizes), &handles, &db);
  if (!status.ok()) {
    Error error = database_error("open the database", path, status);
    // A new database needs no file that is there, so one of this database has gone.
    if (status.IsPathNotFound() && std::filesystem::exists(path / "CURRENT")) {
      error.kind = ErrorKind::kCorrupt;
    }
    return fail(std::move(error));
  }
  database->db_.reset(db);
  for (auto* handle : handles) database->handles_.emplace(handle->GetName(), handle);
  SLUICE_TRY(drop_damaged_log(database.get()));
  // RocksDB syncs its own folder, but not the name of that folder.
  SLUICE_TRY(sync_directory(path.parent_path()));
  return database;
}

Result<std::unique_ptr<Database>> Database::open_secondary(
    const std::filesystem::path& path, const std::filesystem::path& scratch,
    const std::vector<ColumnFamilySpec>& families) {
  const rocksdb::Options options = secondary_options();
  const auto failed = [&](const rocksdb::Status& status) {
    Error error = database_error("read the database", path, status);
    if (passes_by_itself(status)) error.kind = ErrorKind::kBusy;
    return fail(std::move(error));
  };
  std::error_code made;
  std::filesystem::create_directories(scratch, made);
  if (made) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("cannot make the folder {}: {}", scratch.string(), made.message()));
  }
  std::vector<std::string> existing;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, path.string(), &existing);
  if (!status.ok()) return failed(status);
  std::vector<ColumnFamilySpec> wanted;
  std::copy_if(families.begin(), families.end(), std::back_inserter(wanted), [&](const auto& f) {
    return std::find(existing.begin(), existing.end(), f.name) != existing.end();
  });
  std::unique_ptr<Database> database(new Database(path));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  status = rocksdb::DB::OpenAsSecondary(options, path.string(), scratch.string(),
                                        descriptors_for(wanted), &handles, &db);
  if (!status.ok()) return failed(status);
  database->db_.reset(db);
  for (auto* handle : handles) database->handles_.emplace(handle->GetName(), handle);
  return database;
}

Database::~Database() {
  for (const auto& [name, handle] : handles_) db_->DestroyColumnFamilyHandle(handle);
}

rocksdb::ColumnFamilyHandle* Database::family(std::string_view name) const {
  const auto found = handles_.find(name);
  SLUICE_CHECK(found != handles_.end(), "a column family that is used was opened");
  return found->second;
}

void Database::keep_files() { (void)db_->DisableFileDeletions(); }

void count_nothing() { rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable); }

Result<void> Database::write(rocksdb::WriteBatch* batch, Durable durable) {
  count_nothing();
  rocksdb::WriteOptions options;
  options.sync = durable == Durable::kAtOnce;
  const rocksdb::Status status = db_->Write(options, batch);
  if (!status.ok()) return fail(database_error("write to the database", path_, status));
  return {};
}

Result<void> Database::sync_log() {
  const rocksdb::Status status = logs_->sync();
  if (!status.ok()) return fail(database_error("sync the log of the database", path_, status));
  return {};
}

Result<std::optional<VersionedRow>> Database::newest(std::string_view family_name,
                                                     std::string_view prefix) {
  std::string end(prefix);
  put_big(&end, ~std::uint64_t{0});
  const std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(scan_options(), family(family_name)));
  it->SeekForPrev(rocksdb::Slice(end));
  if (!it->status().ok()) return fail(database_error("read the database", path_, it->status()));
  const bool found = it->Valid() && it->key().starts_with(rocksdb::Slice(prefix)) &&
                     it->key().size() == end.size();
  if (!found) return std::nullopt;
  ByteReader version({it->key().data() + prefix.size(), sizeof(std::uint64_t)});
  return VersionedRow{version.big<std::uint64_t>(), it->value().ToString()};
}

Result<std::optional<std::string>> Database::get(std::string_view family_name,
                                                 std::string_view key) {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), family(family_name), rocksdb::Slice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return fail(database_error("read the database", path_, status));
  return value;
}

}  // namespace sluice::queue
