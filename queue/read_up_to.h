// How far Teleport's audit log has been read completely: the fetcher's own statement, kept in the
// queue.
//
// Written in the same batch as the events that it covers, so it is never ahead of them on disk.
// Each statement is a new row (PREFIX + version, the one before deleted in the same write), as
// other processes read it. Values may be copied by any thread; a row belongs to the writer's.
#ifndef SLUICE_QUEUE_READ_UP_TO_H_
#define SLUICE_QUEUE_READ_UP_TO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace rocksdb {
class WriteBatch;
}

namespace sluice::queue {

class Database;

struct ReadUpTo {
  // Each event with an earlier time that Teleport had to give is in the queue (or was left out by
  // the configuration). Unix time of Teleport's clock.
  std::int64_t time_ms = 0;
  std::int64_t looked_at_ms = 0;  // when Teleport was asked, Unix time of our clock
  bool operator==(const ReadUpTo&) const = default;
};

// Whether `now` is later than what was saved, by a second or more: less is not worth a write.
bool is_worth_saving(const ReadUpTo& now, const std::optional<ReadUpTo>& saved);

// Internal to queue/.
std::string encode_read_up_to(const ReadUpTo& value);
std::optional<ReadUpTo> decode_read_up_to(std::string_view bytes);

// The newest statement. Nothing: there is none yet.
Result<std::optional<ReadUpTo>> find_read_up_to(Database* database);

// The writer's hold on the row.
class ReadUpToRow {
 public:
  Result<void> load(Database* database);
  const std::optional<ReadUpTo>& value() const { return value_; }
  // Puts the change into `batch`. When the batch is not written, this must not be used again.
  void put(const ReadUpTo& value, rocksdb::WriteBatch* batch);

 private:
  std::uint64_t version_ = 0;
  std::optional<ReadUpTo> value_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_READ_UP_TO_H_
