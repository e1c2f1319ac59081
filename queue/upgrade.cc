#include "queue/upgrade.h"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/time.h"
#include "queue/database.h"
#include "queue/delivery_schema.h"
#include "queue/file_lock.h"
#include "queue/folder_owner.h"
#include "queue/format_file.h"
#include "queue/journal.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

// One of the two stores.
struct Half {
  std::filesystem::path folder;
  std::filesystem::path database;
  std::filesystem::path lock;
  std::string_view kind;
  std::string_view name;  // for sentences
  std::vector<ColumnFamilySpec> families;
};

Result<void> before(const UpgradeStep& step, std::string_view what) {
  return step ? step(what) : Result<void>();
}

// What version 2 has and version 1 has not: the floor, and the numbers that the state covers.
Result<void> add_queue_rows(Database* database) {
  SLUICE_ASSIGN(const auto floor, database->newest(kDefaultFamily, kFloorPrefix));
  SLUICE_ASSIGN(const auto numbers, database->get(kDefaultFamily, kNumbersKey));
  rocksdb::WriteBatch batch;
  if (!floor) {
    PerLane<Seq> first;
    for (const Lane lane : kLanes) first[lane] = 1;  // version 1 trims nothing
    batch.Put(floor_key(1), encode_lane_numbers(first));
  }
  if (!numbers) {
    PerLane<Seq> last;
    for (const Lane lane : kLanes) {
      const std::unique_ptr<rocksdb::Iterator> it(
          database->db().NewIterator(scan_options(), database->family(name_of(lane))));
      it->SeekToLast();
      if (!it->status().ok()) {
        return fail(database_error("read the database", database->path(), it->status()));
      }
      if (!it->Valid()) continue;
      ByteReader key({it->key().data(), it->key().size()});
      last[lane] = key.big<Seq>();
    }
    batch.Put(std::string(kNumbersKey), encode_lane_numbers(last));
  }
  return batch.Count() == 0 ? Result<void>() : database->write(&batch);
}

// Before FORMAT says so, since afterwards nobody would write it any more.
Result<void> add_journal_line(Database* database, std::string_view reason) {
  SLUICE_ASSIGN(const std::uint64_t newest, newest_version_of(*database));
  rocksdb::WriteBatch batch;
  put_journal_line(*database, newest + 1, system_clock().now(),
                   fmt::format("the format on disk is raised to version {}; {}", kFormatVersion,
                               by_whom(reason)),
                   &batch);
  return database->write(&batch);
}

using AddRows = std::function<Result<void>(Database*)>;

Result<Upgrade> upgrade_half(const Half& half, const AddRows& add_rows, const UpgradeStep& step) {
  if (!std::filesystem::exists(half.folder)) return Upgrade{};
  SLUICE_ASSIGN(const FolderOwner owner, FolderOwner::become(half.folder));
  SLUICE_ASSIGN(const FileLock lock, FileLock::take(half.lock, half.name));
  const auto version = check_format(half.folder, half.kind);
  if (!version) {
    const bool is_empty =
        version.error().kind == ErrorKind::kNotFound && !std::filesystem::exists(half.database);
    if (is_empty) return Upgrade{};
    return fail(version.error());
  }
  if (*version == kFormatVersion) return Upgrade{*version};
  // Without a database there is nothing but FORMAT: the store's making was interrupted.
  if (std::filesystem::exists(half.database / "CURRENT")) {
    SLUICE_TRY(before(step, "families"));
    SLUICE_ASSIGN(const auto database,
                  Database::open_primary(half.database, half.families, nullptr));
    SLUICE_TRY(before(step, "rows"));
    SLUICE_TRY(add_rows(database.get()));
  }
  SLUICE_TRY(before(step, "format"));
  SLUICE_TRY(write_format(half.folder, half.kind));
  SLUICE_TRY(before(step, "end"));
  return Upgrade{*version};
}

}  // namespace

Result<Upgrade> upgrade_queue(const InstancePaths& paths, const UpgradeStep& step) {
  const Half half{.folder = paths.queue(),
                  .database = paths.queue_db(),
                  .lock = paths.queue_lock(),
                  .kind = kQueueFormat,
                  .name = "the queue",
                  .families = queue_families()};
  return upgrade_half(half, add_queue_rows, step);
}

Result<Upgrade> upgrade_delivery(const InstancePaths& paths, std::string_view reason,
                                 const UpgradeStep& step) {
  const Half half{.folder = paths.sink(),
                  .database = paths.delivery_db(),
                  .lock = paths.delivery_lock(),
                  .kind = kDeliveryFormat,
                  .name = "the delivery store",
                  .families = delivery_families()};
  return upgrade_half(
      half, [reason](Database* database) { return add_journal_line(database, reason); }, step);
}

}  // namespace sluice::queue
