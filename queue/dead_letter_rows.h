// The dead letters in the delivery store's database, and what has been done about them by hand.
// Internal to queue/.
//
// Knows each letter's size and state; what a letter says stays on disk. A row that changes is
// written under a new version, the one before deleted in the same write. If the write of a batch
// that was filled here fails, the object must not be used again. One thread at a time.
#ifndef SLUICE_QUEUE_DEAD_LETTER_ROWS_H_
#define SLUICE_QUEUE_DEAD_LETTER_ROWS_H_

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "common/error.h"
#include "queue/database.h"
#include "queue/dead_letter.h"
#include "queue/intervention.h"
#include "queue/types.h"

namespace sluice::queue {

// All letters with the sizes of their rows, audit first and by number, until `visit` returns false.
Result<void> visit_dead_letters(
    Database& database, const std::function<bool(DeadLetter letter, std::size_t bytes)>& visit);
// What has been done by hand, the newest row of each record; of all lanes and numbers.
Result<std::vector<Intervention>> read_interventions(Database& database);

struct DeadLetterEntry {
  std::uint64_t row_version = 0;  // in its row's key; 0: there is none
  std::uint64_t bytes = 0;
  bool is_event = true;  // with a body that can be sent
  bool is_requeued = false;
  bool may_be_under_way = false;  // requeued since it was last refused, even if cancelled meanwhile
  bool is_voided = false;         // its number was lost by the queue: it is not counted
  std::uint64_t intervention_version = 0;  // 0: it has no such row
};

class DeadLetterRows {
 public:
  static Result<DeadLetterRows> load(Database& database);

  const DeadLetterEntry* find(const RecordKey& record) const;
  DeadLetterTotals totals(Lane lane) const;
  // Those that are to be sent again, by number.
  std::vector<RecordKey> requeued(Lane lane) const;
  bool has_requeued(Lane lane) const { return requeued_count_[lane] > 0; }
  // kNotFound: there is none.
  Result<DeadLetter> read(Database& database, const RecordKey& record) const;
  // Of a letter that has one.
  Result<Intervention> read_intervention(Database& database, const RecordKey& record) const;

  // A letter that is new, or known anew: it is neither requeued nor voided.
  void put(const Database& database, const DeadLetter& letter, std::uint64_t version,
           rocksdb::WriteBatch* batch);
  // The same letter with other words; its state stays.
  void replace(const Database& database, const DeadLetter& letter, std::uint64_t version,
               rocksdb::WriteBatch* batch);
  // With its intervention.
  void remove(const Database& database, const RecordKey& record, rocksdb::WriteBatch* batch);
  // Of a letter that is there: kRequeueAsked or kNone.
  void intervene(const Database& database, const Intervention& row, std::uint64_t version,
                 rocksdb::WriteBatch* batch);
  // A letter that was sent again is refused.
  void came_back(const RecordKey& record) { letters_.at(record).may_be_under_way = false; }
  // The queue has lost the numbers from `first` on: what was done by hand about them counts no
  // more, and what has them now comes by itself.
  Result<void> void_from(Database& database, Lane lane, Seq first, std::uint64_t version,
                         rocksdb::WriteBatch* batch);

 private:
  void put_row(const Database& database, const DeadLetter& letter, std::uint64_t version,
               rocksdb::WriteBatch* batch);
  void forget_intervention(const Database& database, const RecordKey& record,
                           rocksdb::WriteBatch* batch);
  std::map<RecordKey, DeadLetterEntry> letters_;
  PerLane<DeadLetterTotals> totals_;
  PerLane<std::uint64_t> requeued_count_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DEAD_LETTER_ROWS_H_
