#include "queue/kept_scans.h"

#include <algorithm>
#include <utility>

#include "queue/queue_schema.h"

namespace sluice::queue {

LaneScan::LaneScan(Database* database, Lane lane, SeqRange range, rocksdb::ReadOptions options)
    : lane_(lane), last_(range.last), end_key_(record_key(range.last + 1)), end_(end_key_) {
  options.iterate_upper_bound = &end_;
  it_.reset(database->db().NewIterator(options, database->family(name_of(lane))));
  it_->Seek(record_key(range.first));
}

std::unique_ptr<LaneScan> KeptScans::take(Lane lane, Seq next) {
  const std::lock_guard lock(mutex_);
  drop_old_unlocked();
  const auto found = std::find_if(scans_.begin(), scans_.end(), [&](const Kept& kept) {
    return kept.scan->lane() == lane && kept.next == next;
  });
  if (found == scans_.end()) return nullptr;
  auto scan = std::move(found->scan);
  scans_.erase(found);
  return scan;
}

void KeptScans::keep(std::unique_ptr<LaneScan> scan, Seq next) {
  const std::lock_guard lock(mutex_);
  drop_old_unlocked();
  if (scans_.size() == kKeptMax) scans_.erase(scans_.begin());
  scans_.push_back({std::move(scan), next});
}

void KeptScans::drop_old() {
  const std::lock_guard lock(mutex_);
  drop_old_unlocked();
}

void KeptScans::clear() {
  const std::lock_guard lock(mutex_);
  scans_.clear();
}

void KeptScans::drop_old_unlocked() {
  const auto oldest = std::chrono::steady_clock::now() - kScanKept;
  std::erase_if(scans_, [&](const Kept& kept) { return kept.scan->begun_ < oldest; });
}

}  // namespace sluice::queue
