// The queue's history: how far it was written and acknowledged at which time, a row a minute.
//
// Two things are read from it. Retention: up to which number a lane had been acknowledged a given
// time ago. And which numbers a span of time covers, also of events that are trimmed.
//
// The two need two clocks. A row's `time_ms` is unix time, made to go up from row to row. Its
// `age_ms` counts only time that has certainly passed: by the boot-time clock, and between two
// openings of the queue no more than both clocks agree on. So no step of the wall clock makes an
// event look older than it is; time while the machine was off does not count.
//
// Rows are on disk once the batch is that put_history_row() was given. One thread.
#ifndef SLUICE_QUEUE_HISTORY_H_
#define SLUICE_QUEUE_HISTORY_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/types.h"

namespace rocksdb {
class WriteBatch;
}

namespace sluice::queue {

class Database;

struct HistoryRow {
  std::int64_t time_ms = 0;  // unix time; unique, ascending
  PerLane<Seq> position;     // acknowledged up to here
  PerLane<Seq> durable;      // written up to here
  std::uint64_t age_ms = 0;
  std::uint64_t boottime_ms = 0;  // of the boot in which the row was made
  bool operator==(const HistoryRow&) const = default;
};

// What the clocks say.
struct Moment {
  std::int64_t unix_ms = 0;
  std::uint64_t boottime_ms = 0;
};

// A row of column family `history`. kCorrupt, kFormat: it is none that this program knows.
Result<HistoryRow> decode_history_row(std::string_view key, std::string_view value);

// All rows, oldest first; none in a database from before there was a history.
Result<std::vector<HistoryRow>> read_history(Database& database);
void put_history_row(const Database& database, const HistoryRow& row, rocksdb::WriteBatch* batch);

// Rows of more than a day beyond `keep` are thinned to one an hour, and go after 400 days. Looks
// at rows from `*from_ms` on and moves it; puts the deletions into the batch.
Result<void> thin_history(Database& database, std::chrono::milliseconds keep, std::int64_t now_ms,
                          std::int64_t* from_ms, rocksdb::WriteBatch* batch);

// The writer's memory of it.
class History {
 public:
  // `rows` are all rows, oldest first. Numbers that were lost since a row was made are not counted
  // as acknowledged by it: they belong to other events now.
  History(std::chrono::milliseconds retention, const std::vector<HistoryRow>& rows);

  // The row for this moment. `position` must not be trusted farther than it is.
  HistoryRow next_row(const Moment& now, const PerLane<Seq>& position,
                      const PerLane<Seq>& durable) const;
  // Once it is on disk.
  void add(const HistoryRow& row);

  // What was acknowledged at least `retention` before `now`; 0: nothing that is known.
  PerLane<Seq> aged(const Moment& now);
  // Of the newest row.
  PerLane<Seq> position() const { return last_.position; }

 private:
  struct Mark {
    std::uint64_t age_ms;
    PerLane<Seq> position;
  };
  std::uint64_t age_at(const Moment& now) const;

  const std::uint64_t retention_ms_;
  bool opened_ = false;  // whether a row was made by this process
  bool any_ = false;
  HistoryRow last_;
  std::deque<Mark> marks_;  // ascending; the first may be older than the retention
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_HISTORY_H_
