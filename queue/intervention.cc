#include "queue/intervention.h"

#include <array>

#include "queue/bytes.h"

namespace sluice::queue {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::array<std::string_view, 5> kNames = {"requeue asked", "requeued", "discarded",
                                                    "skipped", "none"};

}  // namespace

std::string_view name_of(InterventionKind kind) {
  return kNames.at(static_cast<std::size_t>(kind));
}

std::set<RecordKey> skipped_of(const std::vector<Intervention>& rows, Lane lane) {
  std::set<RecordKey> records;
  for (const Intervention& row : rows) {
    const bool is_skipped = row.kind == InterventionKind::kSkipped && !row.is_voided;
    if (is_skipped && row.record.lane == lane) records.insert(row.record);
  }
  return records;
}

std::string encode_intervention(const Intervention& row) {
  std::string bytes;
  put_little(&bytes, kVersion);
  put_little(&bytes, static_cast<std::uint8_t>(row.kind));
  put_little(&bytes, static_cast<std::uint8_t>(row.is_voided));
  put_little(&bytes, static_cast<std::uint64_t>(row.at_ms));
  put_little(&bytes, row.actor.uid);
  put_little(&bytes, static_cast<std::uint64_t>(row.time.seconds));
  put_little(&bytes, row.time.nanos);
  for (const std::string* text : {&row.actor.claimed, &row.actor.reason, &row.id, &row.type}) {
    put_sized(&bytes, *text);
  }
  return bytes;
}

Result<Intervention> decode_intervention(const RecordKey& record, std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.little<std::uint8_t>() != kVersion) {
    return fail(ErrorKind::kFormat,
                "the delivery store holds an intervention of a version that this program does not "
                "know: use the release that wrote it, or a newer one");
  }
  Intervention row;
  row.record = record;
  const auto kind = reader.little<std::uint8_t>();
  row.is_voided = reader.little<std::uint8_t>() != 0;
  row.at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  row.actor.uid = reader.little<std::uint32_t>();
  row.time.seconds = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  row.time.nanos = reader.little<std::uint32_t>();
  for (std::string* text : {&row.actor.claimed, &row.actor.reason, &row.id, &row.type}) {
    *text = reader.sized();
  }
  if (!reader.finished() || kind >= kNames.size()) {
    return fail(ErrorKind::kCorrupt, "the delivery store is damaged: an intervention");
  }
  row.kind = static_cast<InterventionKind>(kind);
  return row;
}

}  // namespace sluice::queue
