// Reads the queue from another process than its writer's, while that runs or not.
//
// What it returns is durable, dense and of the present epoch: never a record beyond the published
// durable number, never one after a hole, never one of a batch whose write failed. A hole heals by
// catching up; one that does not within ReaderOptions::hole_patience is kHole: stop and alarm,
// never skip.
//
// Threads: any, at once; reopen() waits for reads to end. Writes nothing in the queue's folder; its
// scratch folder holds RocksDB's own logs and is removed at the end.
#ifndef SLUICE_QUEUE_READER_H_
#define SLUICE_QUEUE_READER_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/block_pool.h"
#include "queue/history.h"
#include "queue/instance.h"
#include "queue/ledger.h"
#include "queue/read_up_to.h"
#include "queue/record.h"
#include "queue/types.h"

namespace sluice::queue {

struct ReaderOptions {
  InstancePaths paths;
  std::filesystem::path scratch;  // a folder of this reader's own; made and removed by it
  std::chrono::milliseconds hole_patience{2000};
  // Only for a queue whose fetcher is stopped and whose page is missing or not valid: takes the
  // last record of each lane for the durable one.
  bool without_page = false;
};

// What the queue says of itself.
struct QueueView {
  Id128 queue_id;
  std::string machine_id;            // where it was made; may be empty
  std::string cluster;               // empty until the fetcher has been connected
  std::optional<Id128> delivery_id;  // the delivery store that it was paired with
  std::vector<EpochRow> epochs;      // oldest first; the last is the one that the reader has open
  std::string
      boot_id;  // of the boot in which `durable` was published: after a power cut it may be too low
  PerLane<Seq> durable;
  PerLane<Seq> floor;  // the first number that is kept
  std::optional<ReadUpTo> read_up_to;
};

// Records that a read returned, with the bytes they point into.
class RecordBatch {
 public:
  const std::vector<StoredRecord>& records() const { return records_; }
  bool empty() const { return records_.empty(); }
  std::size_t bytes() const { return bytes_; }  // of bodies

 private:
  friend class Reader;
  // Copies the bytes to where they stay.
  std::string_view keep(std::string_view bytes);
  std::shared_ptr<BlockPool> pool_;
  std::vector<BlockPool::Block> blocks_;
  char* free_ = nullptr;  // of the last block, with what is left of it
  std::size_t room_ = 0;
  std::vector<StoredRecord> records_;
  std::size_t bytes_ = 0;
};

struct ReadLimits {
  std::size_t records_max = 500;
  std::size_t bytes_max = 512U << 10;  // of bodies; the first record is returned however large
};

class Reader {
 public:
  // kNotFound: there is no queue yet (wait and try again). kBusy: it is just being made, or its
  // writer has not published since a power cut: try again. kFormat, kCorrupt, kIdentity: say so and
  // stop.
  static Result<std::unique_ptr<Reader>> open(const ReaderOptions& options);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Records from `first` on, as many as are durable and fit; empty when there is none yet.
  // kEpochChanged: reopen(), then reconcile positions with view().epochs, then read on. kTrimmed:
  // `first` is below the floor. kHole, kCorrupt: stop.
  Result<RecordBatch> read(Lane lane, Seq first, const ReadLimits& limits);

  // The first number from `from` on whose record can be read now, or the one behind the durable
  // number. For reports on damage, never for shipping: it passes over what is damaged.
  Result<Seq> next_readable(Lane lane, Seq from);

  // Opens the queue again in its present epoch. Errors as open(); the reader then stays as it was.
  Result<void> reopen();

  Result<QueueView> view() const;
  Epoch epoch() const;

  // The last durable number, from the control page: cheap. kEpochChanged as in read().
  Result<Seq> durable(Lane lane) const;

  // Gives trimmed files free, which this process has open and which take up room until then. To be
  // called every second by one that may not read for long; cheap, and seldom does anything.
  Result<void> let_go();

  // The fetcher's half of the ledger.
  Result<Ledger> ledger() const;

  // When which numbers were written and acknowledged, also of records that are trimmed; oldest
  // first, about a row a minute.
  Result<std::vector<HistoryRow>> history() const;

  // The number that wait() starts from: take it before looking for records, so that none slips
  // between.
  std::uint32_t doorbell() const;
  // Sleeps until the writer has published since `seen` was taken, or `timeout` passes. True: it
  // rang.
  bool wait(std::uint32_t seen, std::chrono::milliseconds timeout) const;

 private:
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_READER_H_
