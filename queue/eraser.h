// Takes trimmed records off the disk where deleting whole files left some: in files that also hold
// later records, in memory tables and in logs. Internal to queue/.
//
// It rewrites files, which may take seconds, on a thread of its own; RocksDB is used from any
// thread. One thread at a time calls this. The destructor cuts a run short and waits for its end.
#ifndef SLUICE_QUEUE_ERASER_H_
#define SLUICE_QUEUE_ERASER_H_

#include <atomic>
#include <optional>
#include <thread>

#include "common/error.h"
#include "queue/database.h"
#include "queue/types.h"

namespace sluice::queue {

class Eraser {
 public:
  explicit Eraser(Database* database) : database_(*database) {}
  ~Eraser();
  Eraser(const Eraser&) = delete;
  Eraser& operator=(const Eraser&) = delete;

  bool running() const { return thread_.joinable(); }
  // What must be written before start(): all numbers below `floor`, which no reader may have any
  // more, are marked as deleted.
  void put_deletions(const PerLane<Seq>& floor, rocksdb::WriteBatch* batch) const;
  // None must be running.
  void start(const PerLane<Seq>& floor);
  // Once it has ended: up to where, or what failed. Nothing while it runs, and when none was
  // started.
  std::optional<Result<PerLane<Seq>>> take_result();

 private:
  Result<void> run();

  Database& database_;
  PerLane<Seq> floor_;
  Result<void> result_;
  std::atomic<bool> cancel_ = false;
  std::atomic<bool> ended_ = false;
  std::jthread thread_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_ERASER_H_
