#include "queue/history.h"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <memory>
#include <string>

#include "queue/bytes.h"
#include "queue/database.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;
constexpr std::int64_t kKeptMs = 400 * kDayMs;

std::string row_key(std::int64_t time_ms) {
  std::string key;
  put_big(&key, static_cast<std::uint64_t>(std::max<std::int64_t>(time_ms, 0)));
  return key;
}

std::int64_t time_of(std::string_view key) {
  ByteReader reader(key);
  return static_cast<std::int64_t>(reader.big<std::uint64_t>());
}

std::unique_ptr<rocksdb::Iterator> iterate(Database& database) {
  return std::unique_ptr<rocksdb::Iterator>(
      database.db().NewIterator(scan_options(), database.family(kHistoryFamily)));
}

Result<void> check(const Database& database, const rocksdb::Iterator& it) {
  if (it.status().ok()) return {};
  return fail(database_error("read the history in", database.path(), it.status()));
}

// What has certainly passed between a moment and a later one. If the boot-time clock is behind, the
// machine was booted in between, and has been up for that long.
std::uint64_t passed(std::uint64_t before_ms, std::uint64_t after_ms) {
  return after_ms >= before_ms ? after_ms - before_ms : after_ms;
}

}  // namespace

Result<HistoryRow> decode_history_row(std::string_view key, std::string_view value) {
  ByteReader reader(value);
  const auto version = reader.little<std::uint8_t>();
  HistoryRow row;
  row.time_ms = time_of(key);
  for (const Lane lane : kLanes) row.position[lane] = reader.little<Seq>();
  for (const Lane lane : kLanes) row.durable[lane] = reader.little<Seq>();
  row.age_ms = reader.little<std::uint64_t>();
  row.boottime_ms = reader.little<std::uint64_t>();
  if (version == kVersion && key.size() == sizeof(std::uint64_t) && reader.finished()) return row;
  return fail(version > kVersion ? ErrorKind::kFormat : ErrorKind::kCorrupt,
              fmt::format("a row of the queue's history has version {} and {} bytes, which this "
                          "program does not know",
                          version, value.size()));
}

Result<std::vector<HistoryRow>> read_history(Database& database) {
  std::vector<HistoryRow> rows;
  if (!database.has_family(kHistoryFamily)) return rows;
  const auto it = iterate(database);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    SLUICE_ASSIGN(const HistoryRow row,
                  decode_history_row(it->key().ToStringView(), it->value().ToStringView()));
    rows.push_back(row);
  }
  SLUICE_TRY(check(database, *it));
  return rows;
}

void put_history_row(const Database& database, const HistoryRow& row, rocksdb::WriteBatch* batch) {
  std::string value;
  put_little(&value, kVersion);
  for (const Lane lane : kLanes) put_little(&value, row.position[lane]);
  for (const Lane lane : kLanes) put_little(&value, row.durable[lane]);
  put_little(&value, row.age_ms);
  put_little(&value, row.boottime_ms);
  batch->Put(database.family(kHistoryFamily), row_key(row.time_ms), value);
}

Result<void> thin_history(Database& database, std::chrono::milliseconds keep, std::int64_t now_ms,
                          std::int64_t* from_ms, rocksdb::WriteBatch* batch) {
  const std::int64_t thin_until = now_ms - keep.count() - kDayMs;
  const auto it = iterate(database);
  std::int64_t hour = *from_ms / kHourMs - 1;
  // Those that have become too old are all before the first that is kept.
  for (it->SeekToFirst(); it->Valid() && time_of(it->key().ToStringView()) < now_ms - kKeptMs;
       it->Next()) {
    batch->Delete(database.family(kHistoryFamily), it->key());
  }
  for (it->Seek(row_key(std::max(*from_ms, now_ms - kKeptMs)));
       it->Valid() && time_of(it->key().ToStringView()) < thin_until; it->Next()) {
    const std::int64_t time_ms = time_of(it->key().ToStringView());
    if (time_ms / kHourMs == hour) batch->Delete(database.family(kHistoryFamily), it->key());
    hour = time_ms / kHourMs;
  }
  SLUICE_TRY(check(database, *it));
  *from_ms = std::max(*from_ms, (thin_until / kHourMs) * kHourMs);
  return {};
}

History::History(std::chrono::milliseconds retention, const std::vector<HistoryRow>& rows)
    : retention_ms_(static_cast<std::uint64_t>(retention.count())) {
  if (rows.empty()) return;
  any_ = true;
  last_ = rows.back();
  // The durable number goes back where the queue has lost its end.
  PerLane<Seq> owned = last_.durable;
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    Mark mark{row->age_ms, row->position};
    for (const Lane lane : kLanes) {
      owned[lane] = std::min(owned[lane], row->durable[lane]);
      mark.position[lane] = std::min(mark.position[lane], owned[lane]);
    }
    marks_.push_front(mark);
    if (row->age_ms + retention_ms_ <= last_.age_ms) break;
  }
  last_.position = marks_.back().position;
}

std::uint64_t History::age_at(const Moment& now) const {
  if (!any_) return 0;
  std::uint64_t since = passed(last_.boottime_ms, now.boottime_ms);
  if (!opened_) {
    // The row may be of another boot or another machine, whose clock says nothing about ours.
    const std::int64_t by_wall = std::max<std::int64_t>(0, now.unix_ms - last_.time_ms);
    since = std::min(since, static_cast<std::uint64_t>(by_wall));
  }
  return last_.age_ms + since;
}

HistoryRow History::next_row(const Moment& now, const PerLane<Seq>& position,
                             const PerLane<Seq>& durable) const {
  HistoryRow row;
  row.time_ms = std::max<std::int64_t>(now.unix_ms, 0);
  if (any_) {
    // A clock that jumps ahead must not carry all later rows with it.
    const auto since = static_cast<std::int64_t>(passed(last_.boottime_ms, now.boottime_ms));
    if (opened_) row.time_ms = std::min(row.time_ms, last_.time_ms + since);
    row.time_ms = std::max(row.time_ms, last_.time_ms + 1);
  }
  row.position = position;
  row.durable = durable;
  row.age_ms = age_at(now);
  row.boottime_ms = now.boottime_ms;
  return row;
}

void History::add(const HistoryRow& row) {
  // Between rows of one opening the durable number never goes back; at an opening it may.
  if (!opened_) {
    for (Mark& mark : marks_) {
      for (const Lane lane : kLanes) {
        mark.position[lane] = std::min(mark.position[lane], row.durable[lane]);
      }
    }
  }
  opened_ = true;
  any_ = true;
  last_ = row;
  marks_.push_back({row.age_ms, row.position});
}

PerLane<Seq> History::aged(const Moment& now) {
  const std::uint64_t age = age_at(now);
  while (marks_.size() > 1 && marks_[1].age_ms + retention_ms_ <= age) marks_.pop_front();
  if (marks_.empty() || marks_.front().age_ms + retention_ms_ > age) return {};
  return marks_.front().position;
}

}  // namespace sluice::queue
