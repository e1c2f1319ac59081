// The epoch rows in a database: which sequence numbers each opening of the queue began with.
// Internal to queue/.
//
// Keys are number and nonce. In the queue each is written once, so that readers may have it; the
// delivery store's copy is rewritten, and only its writer reads that.
#ifndef SLUICE_QUEUE_EPOCH_ROWS_H_
#define SLUICE_QUEUE_EPOCH_ROWS_H_

#include <rocksdb/write_batch.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/database.h"
#include "queue/types.h"

namespace sluice::queue {

inline constexpr std::string_view kEpochsFamily = "epochs";

// Oldest first.
Result<std::vector<EpochRow>> read_epochs(Database& database);
void put_epoch_row(const Database& database, const EpochRow& row, rocksdb::WriteBatch* batch);
void delete_epoch_row(const Database& database, const EpochRow& row, rocksdb::WriteBatch* batch);

std::string epoch_row_key(const Epoch& epoch);
std::string encode_epoch_row(const EpochRow& row);
Result<EpochRow> decode_epoch_row(std::string_view key, std::string_view value);

// Which epoch each number of a lane must carry: that of the newest row that begins at or before it,
// since whatever an older epoch had written from there on is lost.
class EpochIndex {
 public:
  EpochIndex(const std::vector<EpochRow>& rows, Lane lane);
  // Nothing if no row begins at or before `seq`.
  std::optional<std::uint64_t> epoch_of(Seq seq) const;

 private:
  struct Segment {
    Seq first;
    std::uint64_t epoch;
  };
  std::vector<Segment> segments_;  // ascending by first
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_EPOCH_ROWS_H_
