#include "queue/eraser.h"

#include <rocksdb/write_batch.h>

#include <vector>

#include "common/check.h"
#include "queue/queue_schema.h"

namespace sluice::queue {

Eraser::~Eraser() { cancel_ = true; }

void Eraser::put_deletions(const PerLane<Seq>& floor, rocksdb::WriteBatch* batch) const {
  for (const Lane lane : kLanes) {
    batch->DeleteRange(database_.family(name_of(lane)), record_key(0), record_key(floor[lane]));
  }
}

void Eraser::start(const PerLane<Seq>& floor) {
  SLUICE_CHECK(!running(), "one erasing runs at a time");
  floor_ = floor;
  ended_ = false;
  thread_ = std::jthread([this] {
    result_ = run();
    ended_ = true;
  });
}

// With every memory table written out, no log that is older than this is needed, and RocksDB
// deletes those.
Result<void> Eraser::run() {
  rocksdb::DB& db = database_.db();
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  for (const auto& family : queue_families()) families.push_back(database_.family(family.name));
  if (const rocksdb::Status status = db.Flush(rocksdb::FlushOptions(), families); !status.ok()) {
    return fail(database_error("write out the tables of", database_.path(), status));
  }
  for (const Lane lane : kLanes) {
    const std::string begin = record_key(0);
    const std::string end = record_key(floor_[lane]);
    const rocksdb::Slice first(begin);
    const rocksdb::Slice last(end);
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    options.canceled = &cancel_;
    const rocksdb::Status status =
        db.CompactRange(options, database_.family(name_of(lane)), &first, &last);
    if (status.IsIncomplete()) return fail(ErrorKind::kStopped, "erasing was cut short");
    if (!status.ok()) return fail(database_error("rewrite files of", database_.path(), status));
  }
  return {};
}

std::optional<Result<PerLane<Seq>>> Eraser::take_result() {
  if (!running() || !ended_) return std::nullopt;
  thread_.join();
  if (!result_) return fail(result_.error());
  return floor_;
}

}  // namespace sluice::queue
