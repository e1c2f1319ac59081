// Scans of the lanes that go on where the last read ended: beginning one anew for each read costs a
// tenth of all reading. Internal to queue/.
//
// A scan holds files open that may be trimmed, so it is given up after kScanKept. Threads: any.
// Must be empty before the database is closed.
#ifndef SLUICE_QUEUE_KEPT_SCANS_H_
#define SLUICE_QUEUE_KEPT_SCANS_H_

#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "queue/database.h"
#include "queue/types.h"

namespace sluice::queue {

inline constexpr auto kScanKept = std::chrono::seconds(2);

// Of one lane, in the order of the numbers.
class LaneScan {
 public:
  // Stands at the first record of the range that there is.
  LaneScan(Database* database, Lane lane, SeqRange range, rocksdb::ReadOptions options);

  Lane lane() const { return lane_; }
  Seq last() const { return last_; }
  rocksdb::Iterator& it() { return *it_; }

 private:
  friend class KeptScans;
  const Lane lane_;
  const Seq last_;
  const std::string end_key_;
  const rocksdb::Slice end_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::unique_ptr<rocksdb::Iterator> it_;
};

class KeptScans {
 public:
  // One that stands at `next`, or nullptr.
  std::unique_ptr<LaneScan> take(Lane lane, Seq next);
  // It stands at `next`, which is not behind its last.
  void keep(std::unique_ptr<LaneScan> scan, Seq next);
  // Those that are too old.
  void drop_old();
  void clear();

 private:
  static constexpr std::size_t kKeptMax = 8;
  struct Kept {
    std::unique_ptr<LaneScan> scan;
    Seq next = 0;
  };
  void drop_old_unlocked();
  std::mutex mutex_;
  std::vector<Kept> scans_;  // in the order in which they were given
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_KEPT_SCANS_H_
