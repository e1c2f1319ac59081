// The delivery store's inside, which delivery_store.cc (what is shipped) and delivery_changes.cc
// (what is done by hand) share. Internal to queue/.
#ifndef SLUICE_QUEUE_DELIVERY_STORE_IMPL_H_
#define SLUICE_QUEUE_DELIVERY_STORE_IMPL_H_

#include <rocksdb/write_batch.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "queue/ballast.h"
#include "queue/control_page.h"
#include "queue/database.h"
#include "queue/dead_letter_rows.h"
#include "queue/delivery_schema.h"
#include "queue/delivery_store.h"
#include "queue/file_lock.h"
#include "queue/intervention.h"
#include "queue/job_rows.h"
#include "queue/ledger_store.h"

namespace sluice::queue {

// What a person wants done with dead letters.
enum class LetterOrder { kRequeue, kCancelRequeue, kDiscard };

// Where a number of a lane is counted.
enum class Account { kAcknowledged, kDead, kSkipped };

// A number that was skipped by hand, for which an answer may be under way.
struct SkippedRow {
  RecordKey record;
  std::uint64_t version = 0;  // of its intervention
  Timestamp time;
  std::string id;
};

// Numbers of one lane whose account changes in one write, in the ledger and in the answers by which
// a rewind takes them back.
struct CountMoves {
  Lane lane = Lane::kAudit;
  Ledger delta;  // modulo 2^64: what is taken away is added as its complement
  std::map<Seq, AnswerRow> answers;
};

std::unexpected<Error> must_reopen();
// " (anna, as that user says)", or nothing.
std::string claimed_name(const Actor& actor);

struct DeliveryStore::Impl {
  explicit Impl(DeliveryStoreOptions given)
      : options(std::move(given)),
        clock(options.clock != nullptr ? *options.clock : system_clock()) {}

  Result<void> open();
  Result<void> prepare();
  Result<void> require_room();
  Result<void> refuse_to_replace() const;
  Result<void> load();
  Result<void> load_lane(Lane lane);
  Result<void> check_ledger(Lane lane) const;
  Result<void> initialise();
  Result<std::vector<Rewind>> reconcile(const QueueView& queue);
  Result<std::vector<Rewind>> rewind_all(const QueueView& queue, rocksdb::WriteBatch* batch);
  Result<void> check_binding(const QueueView& queue) const;
  Result<void> check_positions(const QueueView& queue) const;
  std::string describe() const;
  // The number from which on the lane's history is not that of the queue any more.
  Result<Seq> divergence(const QueueView& queue, Lane lane) const;
  Result<std::optional<Rewind>> rewind(Lane lane, Seq from, rocksdb::WriteBatch* batch);
  void put_journal(std::string_view line, rocksdb::WriteBatch* batch);
  void put_lane(Lane lane, rocksdb::WriteBatch* batch);
  void take_back(Lane lane, const AnswerRow& answer, rocksdb::WriteBatch* batch);
  Result<void> commit(const Completion& completion);
  // Adds what the completion accounts for to the lane and the ledger.
  void account(const Completion& completion, rocksdb::WriteBatch* batch);
  void prune(Lane lane, rocksdb::WriteBatch* batch);
  Result<ReplayJob> start_replay(ReplaySpec spec, bool allow_partial);
  // The first number of the lane that the fetcher keeps, looked up after our hold is published.
  Result<Seq> floor_behind_hold(Lane lane);
  Result<void> cut_to_kept(ReplaySpec* spec, bool allow_partial);
  Result<ReplayJob> write_new_replay(const ReplaySpec& spec);
  Result<ReplayJob> cancel_replay(std::uint64_t id, const Actor& actor);
  Result<ReplayState> save_replay(std::uint64_t id, ReplayProgress now);
  void cut_replays(Lane lane, rocksdb::WriteBatch* batch);
  // delivery_changes.cc: what is done by hand.
  Result<DeadLetterChange> change_letters(LetterOrder order, const std::vector<RecordKey>& records,
                                          const Actor& actor);
  Result<void> change_letter(LetterOrder order, const RecordKey& record, const Actor& actor,
                             CountMoves* moves, rocksdb::WriteBatch* batch);
  Result<void> finish_requeue(Lane lane, const RequeueOutcome& outcome);
  Result<void> requeue_delivered(const RecordKey& record, CountMoves* moves,
                                 rocksdb::WriteBatch* batch);
  Result<void> discarded_was_delivered(const RecordKey& record, CountMoves* moves,
                                       rocksdb::WriteBatch* batch);
  Result<void> requeue_refused(const DeadLetter& tried, rocksdb::WriteBatch* batch);
  Result<void> skip(Lane lane, const std::vector<StoredRecord>& events, const Actor& actor);
  Result<void> check_skip(Lane lane, const std::vector<StoredRecord>& events) const;
  Result<void> check_not_skipped(const Completion& completion) const;
  Result<void> honour(const Completion& completion, rocksdb::WriteBatch* batch);
  // Up to where the fetcher says that the lane is durable, in the epoch that this store knows.
  Result<Seq> published_durable(Lane lane) const;
  Result<void> move(const RecordKey& record, Timestamp time, std::string_view event_id,
                    Account from, Account to, CountMoves* moves);
  // The range of answers that a number is in; nothing: it is pruned.
  Result<std::optional<AnswerRow>> answer_with(Lane lane, Seq seq);
  // Of a record, with its version.
  Result<std::optional<VersionedRow>> newest_intervention(const RecordKey& record);
  void put_moves(const CountMoves& moves, rocksdb::WriteBatch* batch);
  Result<void> write_change(Lane lane, rocksdb::WriteBatch* batch);

  Result<void> write(rocksdb::WriteBatch* batch);
  void publish();

  DeliveryStoreOptions options;
  const Clock& clock;
  mutable std::mutex mutex;
  std::optional<FileLock> lock;
  std::optional<PageWriter> page;
  std::unique_ptr<Database> database;
  Id128 id;
  Binding binding;
  std::uint64_t binding_version = 0;  // of the newest row; 0: none
  std::vector<EpochRow> epochs;       // of the queue, as they were at the last reconcile
  LedgerStore ledger;
  PerLane<LaneProgress> progress;
  PerLane<std::uint64_t> lane_version;  // of the newest row; 0: none
  PerLane<Seq> pruned_to;
  JobRows jobs;
  DeadLetterRows letters;
  // Discarded when they had been requeued: an answer for them may be under way.
  std::map<RecordKey, Intervention> discarded_in_flight;
  PerLane<std::map<Seq, SkippedRow>> skips;  // since the last reconcile
  PerLane<std::shared_ptr<const std::set<Seq>>> skipped_numbers;
  std::atomic<std::uint64_t> changes = 1;      // goes up with each change by hand
  PerLane<Seq> coming_hold{kNoHold, kNoHold};  // of a job that is not written yet
  std::uint64_t version = 0;                   // of the last write
  std::optional<Ballast> ballast;
  std::uint64_t ballast_bytes = 0;
  std::chrono::milliseconds next_ballast{};  // when it is looked after again
  bool dead = false;                         // a write has failed
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DELIVERY_STORE_IMPL_H_
