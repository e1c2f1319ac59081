#include "queue/read_up_to.h"

#include <rocksdb/write_batch.h>

#include "queue/bytes.h"
#include "queue/database.h"
#include "queue/queue_schema.h"

namespace sluice::queue {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

bool is_worth_saving(const ReadUpTo& now, const std::optional<ReadUpTo>& saved) {
  return !saved || now.time_ms >= saved->time_ms + 1'000;
}

std::string encode_read_up_to(const ReadUpTo& value) {
  std::string bytes;
  put_little(&bytes, kVersion);
  put_little(&bytes, static_cast<std::uint64_t>(value.time_ms));
  put_little(&bytes, static_cast<std::uint64_t>(value.looked_at_ms));
  return bytes;
}

std::optional<ReadUpTo> decode_read_up_to(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto version = reader.little<std::uint8_t>();
  ReadUpTo value;
  value.time_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  value.looked_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  if (version != kVersion || !reader.finished()) return std::nullopt;
  return value;
}

Result<std::optional<ReadUpTo>> find_read_up_to(Database* database) {
  SLUICE_ASSIGN(const auto row, database->newest(kDefaultFamily, kReadUpToPrefix));
  return row ? decode_read_up_to(row->value) : std::nullopt;
}

Result<void> ReadUpToRow::load(Database* database) {
  SLUICE_ASSIGN(const auto row, database->newest(kDefaultFamily, kReadUpToPrefix));
  if (!row) return {};
  version_ = row->version;
  value_ = decode_read_up_to(row->value);
  return {};
}

void ReadUpToRow::put(const ReadUpTo& value, rocksdb::WriteBatch* batch) {
  if (version_ > 0) batch->Delete(versioned_key(kReadUpToPrefix, version_));
  batch->Put(versioned_key(kReadUpToPrefix, ++version_), encode_read_up_to(value));
  value_ = value;
}

}  // namespace sluice::queue
