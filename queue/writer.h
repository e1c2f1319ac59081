// The queue's one writer.
//
// Durability: a batch (records, state, ids, ledger) is one atomic write, and batches become durable
// in the order in which they were given. When append() returns success, the batch is on disk and
// published to readers. When append_behind() does, it is written, and on disk and published soon
// after, at the latest when sync() has returned success; until then no reader sees any of it, and
// the end of the machine (not of the process) may lose it, state and all. The owner of the sources
// loses nothing by that: they go on from the state that is found.
//
// When any of these fails, which of the batches that were not durable will be found after the next
// open is unknown: the Writer is then dead, every call that writes or syncs fails, and the owner
// must destroy it, open a new one and start all its sources again from the state found there
// ("ingest generation"). Nothing may be retried on the old one. state(), states() and has_seen()
// still answer, but of what the Writer was given, which may not be what will be found.
//
// Threads: one thread at a time; all methods but open() on the thread that ingests (it has a thread
// of its own for append_behind()). Ownership: holds the lock file and the database until destroyed,
// which syncs what is not yet. One per instance on a machine: a second gets kBusy.
#ifndef SLUICE_QUEUE_WRITER_H_
#define SLUICE_QUEUE_WRITER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/histogram.h"
#include "common/time.h"
#include "queue/disk_limits.h"
#include "queue/instance.h"
#include "queue/ledger.h"
#include "queue/read_up_to.h"
#include "queue/record.h"
#include "queue/types.h"

namespace rocksdb {
class Env;
}

namespace sluice::queue {

// A batch in the making. Holds views: what is added must live until append() or append_behind() has
// returned.
class Append {
 public:
  // Appends to the lane; the Writer gives number and epoch. Counted in the ledger under the event's
  // day.
  void add(Lane lane, const RecordView& record);
  // An event that was received and left out. The ledger counts it.
  void count_filtered(Lane lane, Day day);
  void count_duplicate(Lane lane, Day day);
  // The caller's own state (cursors and the like), under keys of the caller's choice.
  void put_state(std::string key, std::string value);
  void erase_state(std::string key);
  // Remembers an event id, for Writer::has_seen(). `time` is the event's own: the same event has it
  // each time. `generation`, below 2^31, sets apart ids that must not be compared.
  void mark_seen(std::uint32_t generation, Timestamp time, std::string_view id);
  // How far Teleport has been read completely, once this batch is durable.
  void set_read_up_to(const ReadUpTo& value) { read_up_to_ = value; }
  // Whether this batch itself marks it.
  bool marks(std::uint32_t generation, Timestamp time, std::string_view id) const;

  bool empty() const;
  std::size_t records() const { return records_.size(); }
  std::size_t body_bytes() const { return body_bytes_; }
  void clear();

 private:
  friend class Writer;
  struct Change {
    std::string key;
    std::optional<std::string> value;  // nothing: erase
  };
  std::vector<std::pair<Lane, RecordView>> records_;
  std::vector<Change> changes_;
  // In key order, in which the database takes them quickest; many small ones, so they have their
  // own memory.
  std::pmr::monotonic_buffer_resource seen_memory_;
  std::pmr::set<std::pmr::string, std::less<>> seen_keys_{&seen_memory_};
  std::optional<ReadUpTo> read_up_to_;
  Ledger counts_;
  std::size_t body_bytes_ = 0;
};

// Batches beyond this are refused (kInternal): one batch is one write, and readers wait for it.
inline constexpr std::size_t kAppendRecordsMax = 4096;

struct WriterOptions {
  InstancePaths paths;
  Machine machine;
  const Clock* clock = nullptr;  // must outlive the Writer; nullptr: the system's
  DiskLimits limits;
  Histogram* sync_duration = nullptr;  // what each sync takes; must outlive the Writer
  rocksdb::Env* env = nullptr;  // for tests that make the file system fail; nullptr: the real one
  // For tests of what happens at the same moment: called when a trim is announced and not yet
  // settled.
  std::function<void()> after_trim_intent;
};

// What open() found.
struct OpenReport {
  bool created = false;
  Epoch epoch;
  PerLane<Seq> last;  // the last recovered number of each lane
  // Numbers that had been published as durable and are gone (a damaged log, a lying disk). Readers
  // that were beyond are set back by the epoch row; the caller's state is that of the recovered
  // end.
  PerLane<std::uint64_t> lost;
};

class Writer {
 public:
  // Creates the queue if it is not there. kBusy: another writer has it. kFormat, kIdentity,
  // kCorrupt: it must not be opened by this program; nothing was changed. kNoSpace: the file system
  // has no room to open it, try again later. kCannotCreate, kNotFound, kIo: the directory.
  static Result<std::unique_ptr<Writer>> open(const WriterOptions& options);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Result<void> append(const Append& batch);
  // Waits while kUnsyncedBytesMax (log_syncer.h) are on their way to the disk.
  Result<void> append_behind(const Append& batch);
  // Until all that was appended is durable and published.
  Result<void> sync();

  // Whether the id was marked in an earlier batch, with a time of the same second.
  Result<bool> has_seen(std::uint32_t generation, Timestamp time, std::string_view id);
  // Forgets the ids of all days before `day`, of all generations.
  Result<void> forget_seen_before(Day day);

  // State as of the last append, durable or not.
  Result<std::optional<std::string>> state(std::string_view key);
  // All keys that start with `prefix`, in byte order.
  Result<std::vector<std::pair<std::string, std::string>>> states(std::string_view prefix);

  // The fetcher's half of the ledger, as of the last append.
  const Ledger& ledger() const;

  // As of the last append, durable or not; nothing if it was never set.
  const std::optional<ReadUpTo>& read_up_to() const;

  // Binds the queue to a cluster at the first call; kIdentity if it is bound to another.
  Result<void> claim_cluster(std::string_view cluster);

  // Once a shipper has a delivery store for this queue, remembers that store's id for ever, so that
  // a lost store is recognised. Cheap when there is nothing new: reads the shipper's page.
  Result<void> note_delivery_store();

  // Trims what was acknowledged and may go, and counts the room: to be called whenever
  // is_tending_due() says so, which is once a second, and more often while much is appended. An
  // error is as one of append().
  Result<void> tend();
  bool is_tending_due() const;
  // As of the last tend(). Nothing should be appended to a lane that is full, so that the queue
  // keeps within its limits; append() does not refuse it.
  const FullLanes& full_lanes() const;
  const DiskUsage& disk_usage() const;
  const DiskPlan& disk_plan() const;
  // For how long the room lasts if nothing is acknowledged from now on and events come as in the
  // last day, as of the last tend(); nothing: it does not grow, or not known.
  std::optional<std::chrono::milliseconds> full_in() const;
  // After an error of kind kNoSpace, before this is destroyed: gives back room that was kept for
  // opening the queue anew, and what is trimmed already.
  void release_room();

  // kIdentity: the queue's folder was moved away or replaced, so this Writer must be destroyed and
  // none opened; it deletes no file any more. Cheap; to be called about once a second.
  Result<void> check_folder();

  // The first number that is kept.
  Seq floor(Lane lane) const;

  const OpenReport& report() const;
  const Id128& queue_id() const;
  // The last number given, durable or not.
  Seq last(Lane lane) const;

 private:
  struct Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_WRITER_H_
