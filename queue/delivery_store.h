// The shipper's memory: how far each lane is delivered, what was taken out of it, and the shipper's
// half of the ledger.
//
// Durability: when commit() returns success, everything in it is on disk by one synced atomic write
// and the position is published on the shipper's page, in this order. When it fails, stop sending,
// destroy the store, open it anew and go on from what it then says; nothing may be retried on the
// old one.
//
// Threads: any, at once (one mutex). Ownership: holds the lock file and the database until
// destroyed.
#ifndef SLUICE_QUEUE_DELIVERY_STORE_H_
#define SLUICE_QUEUE_DELIVERY_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/dead_letter.h"
#include "queue/instance.h"
#include "queue/ledger.h"
#include "queue/reader.h"
#include "queue/record.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace rocksdb {
class Env;
}

namespace sluice::queue {

// How far a lane is delivered. acknowledged + dead + skipped + gap = position + the numbers in
// `completed`.
struct LaneProgress {
  Seq position = 0;                 // everything up to here is accounted for
  std::vector<SeqRange> completed;  // accounted for beyond the position: ascending, disjoint
  std::uint64_t acknowledged = 0;
  std::uint64_t dead = 0;
  std::uint64_t skipped = 0;
  std::uint64_t gap = 0;
  // Numbers that had been accounted for and were lost by the queue afterwards, so that others got
  // them.
  std::uint64_t voided = 0;
  std::int64_t acknowledged_at_ms = 0;  // unix time of the last acknowledgement; 0: none yet
  std::uint64_t completed_count() const;
  bool operator==(const LaneProgress&) const = default;
};

// Finished work of one lane, to be committed at once. Records may be passed in any order, each
// number once.
class Completion {
 public:
  explicit Completion(Lane lane) : lane_(lane) {}
  void acknowledge(const StoredRecord& record);
  void set_aside(const StoredRecord& record, DeadLetter letter);  // becomes a dead letter
  void pass_gap(const StoredRecord& record);
  void skip(const StoredRecord& record);  // taken out by a person
  // The sink has taken an event that was skipped while it was under way: it counts as acknowledged,
  // not as skipped.
  void honour(const StoredRecord& record) { honoured_.push_back(record.seq); }
  bool empty() const { return ranges_.empty(); }
  Lane lane() const { return lane_; }

 private:
  friend class DeliveryStore;
  struct Range {
    SeqRange numbers;
    Ledger delta;  // what these numbers add to the ledger
  };
  LedgerRow& row_for(const StoredRecord& record);
  Lane lane_;
  std::vector<Range> ranges_;
  std::vector<DeadLetter> letters_;
  std::vector<Seq> honoured_;
};

// What was made of dead letters that a person has named.
struct DeadLetterChange {
  std::uint64_t changed = 0;
  std::uint64_t rejects = 0;   // have no event that could be sent again
  std::uint64_t as_asked = 0;  // are so already
  std::uint64_t gone = 0;      // are no dead letters any more
};
// How many may be named at once; and of events that are skipped.
inline constexpr std::size_t kChangesAtOnceMax = 10'000;

// Dead letters of one lane that were sent again.
struct RequeueOutcome {
  std::vector<RecordKey> delivered;
  std::vector<DeadLetter> refused;  // with what is known of the last tries alone
};

struct DeliveryStoreOptions {
  InstancePaths paths;
  Machine machine;
  const Clock* clock = nullptr;  // must outlive the store; nullptr: the system's
  rocksdb::Env* env = nullptr;   // for tests that make the file system fail
  // How many events a crash can send again: of the live flow, and of each replay job at work. For
  // the page, which tells it to people.
  std::uint64_t crash_repeats_max = 0;
  std::uint64_t replay_repeats_max = 0;
};

// What reconcile() changed in one lane: numbers from `from` on had been accounted for and were lost
// by the queue.
struct Rewind {
  Lane lane = Lane::kAudit;
  Seq from = 0;
  Seq old_position = 0;
  std::uint64_t voided = 0;
  std::uint64_t skipped = 0;  // of them, by hand: they are shipped now, unless skipped again
};

class DeliveryStore {
 public:
  // Creates it if it is not there. Errors as Writer::open().
  static Result<std::unique_ptr<DeliveryStore>> open(const DeliveryStoreOptions& options);
  ~DeliveryStore();
  DeliveryStore(const DeliveryStore&) = delete;
  DeliveryStore& operator=(const DeliveryStore&) = delete;

  // Holds the store against the queue: call after open() and after each epoch change, before
  // anything is sent. Binds a new store to the queue. Sets positions back where the queue has lost
  // numbers after they were delivered (durable before it returns). kIdentity: they do not belong
  // together; the sentence says what to do. kBusy: the fetcher must open the queue first. Dead
  // letters of numbers that are taken back stay, though they are counted no more.
  Result<std::vector<Rewind>> reconcile(const QueueView& queue);

  // kBusy: a number of it has been skipped meanwhile (see skipped()), and nothing was written: make
  // the completion again.
  Result<void> commit(const Completion& completion);

  // kIdentity: the store's folder was moved away or replaced, so this must be destroyed and none
  // opened; it deletes no file any more. Cheap; to be called about once a second.
  Result<void> check_folder();

  // Starts a replay job: durable when this returns, together with its hold on trimming, or not
  // there at all. The numbers are cut at the position, beyond which they come anyway. kTrimmed:
  // some are not kept any more, and `allow_partial` is false or all of them are gone; with it the
  // job starts with the first that is kept. kUsage: the spec breaks a bound. kBusy: too many jobs,
  // or the fetcher has not said what it keeps. kNotFound: the store has never been used with a
  // queue.
  Result<ReplayJob> start_replay(const ReplaySpec& spec, bool allow_partial);
  // kNotFound: there is no such job. kUsage: it has ended already.
  Result<ReplayJob> cancel_replay(std::uint64_t id, const Actor& actor);
  // What a job has done since, and whether it has ended. Returns its state as it is now on disk: of
  // a job that was cancelled meanwhile, which keeps that state, only the counts are taken.
  Result<ReplayState> save_replay(std::uint64_t id, const ReplayProgress& progress);
  std::optional<ReplayJob> replay(std::uint64_t id) const;
  std::vector<ReplayJob> replays() const;  // the oldest first
  std::vector<ReplayJob> active_replays() const;

  // By a person, each with a line in the journal; durable when they return. kUsage: no reason, or
  // too many at once.
  // To be sent again by the shipper that runs, or the next one.
  Result<DeadLetterChange> requeue(const std::vector<RecordKey>& records, const Actor& actor);
  Result<DeadLetterChange> cancel_requeue(const std::vector<RecordKey>& records,
                                          const Actor& actor);
  // Removed, and counted as skipped.
  Result<DeadLetterChange> discard(const std::vector<RecordKey>& records, const Actor& actor);

  // Those that are to be sent again, by number.
  std::vector<RecordKey> requeued(Lane lane) const;
  // kNotFound: there is none.
  Result<DeadLetter> dead_letter(const RecordKey& record) const;
  // Durable when it returns. What was delivered is removed and counted as acknowledged. What was
  // refused stays, with the new reason, and is not requeued any more.
  Result<void> finish_requeue(Lane lane, const RequeueOutcome& outcome);
  DeadLetterTotals dead_letters(Lane lane) const;

  // Takes events out of a lane that are not accounted for yet, all of them or none; durable when it
  // returns, and counted as skipped. No request that is started afterwards may carry them; an
  // answer under way is for Completion::honour(). kUsage: one of them is accounted for, or not
  // durable. kBusy: the queue has been opened anew, so the numbers may be other events'.
  Result<void> skip(Lane lane, const std::vector<StoredRecord>& events, const Actor& actor);
  // The numbers that were skipped since the last reconcile(); nullptr: none.
  std::shared_ptr<const std::set<Seq>> skipped(Lane lane) const;
  // All that were ever skipped, as far as the queue has not lost them since: a replay leaves them
  // out.
  Result<std::set<RecordKey>> skipped_by_hand(Lane lane) const;
  // Goes up with each change of dead letters and each skip. Cheap.
  std::uint64_t changes() const;

  LaneProgress progress(Lane lane) const;
  Ledger ledger() const;
  const Id128& id() const;

 private:
  struct Impl;
  explicit DeliveryStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DELIVERY_STORE_H_
