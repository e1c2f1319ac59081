// Keeps the queue within its limits: trims what may go, erases what was trimmed, counts the room,
// and says which lanes are full. Internal to queue/; the Writer owns it.
//
// Trimming is settled with the shipper, which may ask at the same moment to hold events back for a
// replay: the intended floor is published before the hold is read, and the shipper publishes its
// hold before it reads the floor, so at least one of them sees the other. Only then is the floor
// synced, and only then are files deleted. A shipper's page that is missing, not valid, of another
// boot, queue or epoch allows no trimming.
//
// One thread, that of the Writer; only erasing has one of its own inside. After a failed write it
// must not be used but for release_room().
#ifndef SLUICE_QUEUE_TRIMMER_H_
#define SLUICE_QUEUE_TRIMMER_H_

#include <rocksdb/write_batch.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/ballast.h"
#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/disk_limits.h"
#include "queue/eraser.h"
#include "queue/history.h"
#include "queue/instance.h"
#include "queue/retention.h"
#include "queue/types.h"

namespace sluice::queue {

struct TrimmerParts {
  InstancePaths paths;
  std::string boot_id;
  const Clock* clock = nullptr;
  DiskLimits limits;
  DiskPlan plan;
  // For tests: called when the intended floor is published and the hold not yet read.
  std::function<void()> after_intent;
  // A synced write; and publishing the floor beside the writer's other values.
  std::function<Result<void>(rocksdb::WriteBatch*)> write;
  std::function<void(const PerLane<Seq>& floor)> publish;
};

class Trimmer {
 public:
  // Reads floor and history. `database` must outlive it.
  static Result<std::unique_ptr<Trimmer>> load(TrimmerParts parts, Database* database);

  // The first number of each lane that is kept.
  const PerLane<Seq>& floor() const { return floor_; }

  // The writer's epoch begins: its row of the history, for the same write.
  void begin(const Id128& queue_id, const Epoch& epoch, const PerLane<Seq>& durable,
             rocksdb::WriteBatch* batch);
  // Once that is on disk.
  void begun();

  // Whether tend() has something to do. Cheap; `appended_bytes` counts all bytes since the opening.
  bool is_due(std::uint64_t appended_bytes) const;
  Result<void> tend(const PerLane<Seq>& durable, std::optional<Id128> delivery_id,
                    std::uint64_t appended_bytes);
  const FullLanes& full() const { return full_; }
  const DiskUsage& usage() const { return usage_; }
  // As of the last tend().
  std::optional<std::chrono::milliseconds> full_in() const { return full_in_; }

  // The file system is full: gives back what there is, also on a database that takes no writes.
  void release_room();

 private:
  Trimmer(TrimmerParts parts, Database* database, const std::vector<HistoryRow>& rows);
  Result<void> load_floor();
  Result<void> load_erased();
  void put_erased(const PerLane<Seq>& numbers, std::int64_t at_ms, rocksdb::WriteBatch* batch);
  Result<void> erase();
  Result<void> note_erased(const PerLane<Seq>& numbers);
  void measure(std::uint64_t appended_bytes);
  void remember(const HistoryRow& row);
  void forecast(const PerLane<Seq>& position);
  std::optional<ShipperPage> trusted_page() const;
  Result<void> note_history(const std::optional<ShipperPage>& page);
  Result<void> trim(const ShipperPage& page);
  PerLane<LaneRetention> retention_of(const ShipperPage& page);
  RoomNeeded room_needed() const;
  void find_size_edges(PerLane<LaneRetention>* lanes) const;
  std::vector<KeptFile> whole_files(Lane lane) const;
  Result<void> settle_floor(PerLane<LaneRetention> lanes, const PerLane<Seq>& wanted);
  Result<void> write_floor(const PerLane<Seq>& floor);
  Result<void> delete_files();
  Moment moment() const;

  TrimmerParts parts_;
  Database* database_;
  const Clock& clock_;
  History history_;
  std::vector<HistoryRow> last_day_;  // of the history
  HistoryRow opening_row_;
  std::int64_t thinned_to_ms_ = 0;
  mutable PageReader shipper_;
  Ballast ballast_;
  RoomGauge gauge_;
  Eraser eraser_;

  Id128 queue_id_;
  std::optional<Id128> delivery_id_;
  Epoch epoch_;
  PerLane<Seq> durable_;
  PerLane<Seq> floor_;
  std::uint64_t floor_version_ = 0;
  bool delete_due_ = true;  // files below the floor may be there
  // Numbers below these are off the disk, and when the erasing of them began.
  PerLane<Seq> erased_;
  std::uint64_t erased_version_ = 0;
  std::int64_t erasing_since_ms_ = 0;
  std::chrono::milliseconds next_erasing_{};

  FullLanes full_;
  DiskUsage usage_;
  std::optional<std::chrono::milliseconds> full_in_;
  std::uint64_t appended_at_look_ = 0;
  std::chrono::milliseconds next_look_{};
  std::chrono::milliseconds next_scan_{};
  std::uint64_t scanned_bytes_ = 0;
  std::uint64_t appended_at_scan_ = 0;
  std::chrono::milliseconds next_row_{};
  std::chrono::milliseconds next_thinning_{};
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_TRIMMER_H_
