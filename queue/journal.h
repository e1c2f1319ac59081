// The delivery store's journal: who changed what by hand, and why. Never trimmed. Internal to
// queue/.
#ifndef SLUICE_QUEUE_JOURNAL_H_
#define SLUICE_QUEUE_JOURNAL_H_

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/time.h"
#include "queue/database.h"

namespace sluice::queue {

// The version of its newest line; 0: it has none. What is written next must be above it.
Result<std::uint64_t> newest_journal_version(Database& database);

// The highest version of anything in the store: what is written next must be above it.
Result<std::uint64_t> newest_version_of(Database& database);

// Puts a line into the batch.
void put_journal_line(const Database& database, std::uint64_t version, Timestamp now,
                      std::string_view text, rocksdb::WriteBatch* batch);

// "by the user with id 0 (anna): REASON": who runs this process. The name is the one that sudo
// passes on, as it says.
std::string by_whom(std::string_view reason);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_JOURNAL_H_
