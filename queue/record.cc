#include "queue/record.h"

#include <fmt/format.h>

#include "common/check.h"
#include "queue/bytes.h"
#include "queue/crc32c.h"

namespace sluice::queue {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChecksumOffset = 4;
constexpr std::size_t kChecksumEnd = 8;
constexpr std::size_t kHeaderBytes = 48;

// Lane and number, as the checksum takes them before the record's own bytes.
std::uint32_t place_checksum(Lane lane, Seq seq) {
  std::string place;
  put_little(&place, static_cast<std::uint8_t>(lane));
  put_big(&place, seq);
  return crc32c(place);
}

// Over the place, the bytes before the checksum, those behind it, and what follows them.
std::uint32_t checksum(Lane lane, Seq seq, std::string_view record, std::string_view rest = {}) {
  const std::uint32_t head = crc32c(record.substr(0, kChecksumOffset), place_checksum(lane, seq));
  return crc32c(rest, crc32c(record.substr(kChecksumEnd), head));
}

std::unexpected<Error> damaged(Lane lane, Seq seq, std::string_view why) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("record {} of lane {} is damaged: {}", seq, name_of(lane), why));
}

}  // namespace

std::string_view name_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::kEvent:
      return "event";
    case RecordKind::kReject:
      return "reject";
    case RecordKind::kGap:
      break;
  }
  return "gap";
}

void encode_record(Lane lane, Seq seq, const RecordView& record, std::string* out) {
  encode_record_head(lane, seq, record, out);
  out->append(record.body);
}

void encode_record_head(Lane lane, Seq seq, const RecordView& record, std::string* out) {
  for (const std::string_view text : {record.id, record.type, record.route, record.note}) {
    SLUICE_CHECK(text.size() <= kStringBytesMax, "a record's strings are bounded");
  }
  SLUICE_CHECK(record.body.size() <= kBodyBytesMax, "a record's body is bounded");
  const std::size_t start = out->size();
  out->reserve(start + kHeaderBytes + record.id.size() + record.type.size() + record.route.size() +
               record.note.size());
  put_little(out, kVersion);
  put_little(out, static_cast<std::uint8_t>(record.kind));
  put_little(out, std::uint16_t{0});  // reserved
  put_little(out, std::uint32_t{0});  // the checksum, filled in below
  put_little(out, record.epoch);
  put_little(out, static_cast<std::uint64_t>(record.fetched_at_ms));
  put_little(out, static_cast<std::uint64_t>(record.time.seconds));
  put_little(out, record.time.nanos);
  put_little(out, static_cast<std::uint16_t>(record.id.size()));
  put_little(out, static_cast<std::uint16_t>(record.type.size()));
  put_little(out, static_cast<std::uint16_t>(record.route.size()));
  put_little(out, static_cast<std::uint16_t>(record.note.size()));
  put_little(out, static_cast<std::uint32_t>(record.body.size()));
  static_assert(kHeaderBytes == 1 + 1 + 2 + 4 + 8 + 8 + 8 + 4 + 2 + 2 + 2 + 2 + 4);
  out->append(record.id).append(record.type).append(record.route).append(record.note);
  std::string sum;
  put_little(&sum, checksum(lane, seq, std::string_view(*out).substr(start), record.body));
  out->replace(start + kChecksumOffset, sum.size(), sum);
}

Result<RecordView> decode_record(Lane lane, Seq seq, std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return damaged(lane, seq, "it is too short");
  ByteReader reader(bytes);
  const auto version = reader.little<std::uint8_t>();
  RecordView record;
  const auto kind = reader.little<std::uint8_t>();
  reader.little<std::uint16_t>();
  const auto stored_checksum = reader.little<std::uint32_t>();
  if (checksum(lane, seq, bytes) != stored_checksum) {
    return damaged(lane, seq, "its checksum does not match");
  }
  if (version != kVersion || kind > static_cast<std::uint8_t>(RecordKind::kGap)) {
    return fail(ErrorKind::kFormat,
                fmt::format("record {} of lane {} has version {} and kind {}, which this program "
                            "does not know: use the release that wrote it, or a newer one",
                            seq, name_of(lane), version, kind));
  }
  record.kind = static_cast<RecordKind>(kind);
  record.epoch = reader.little<std::uint64_t>();
  record.fetched_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  record.time.seconds = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  record.time.nanos = reader.little<std::uint32_t>();
  const auto id_bytes = reader.little<std::uint16_t>();
  const auto type_bytes = reader.little<std::uint16_t>();
  const auto route_bytes = reader.little<std::uint16_t>();
  const auto note_bytes = reader.little<std::uint16_t>();
  const auto body_bytes = reader.little<std::uint32_t>();
  record.id = reader.bytes(id_bytes);
  record.type = reader.bytes(type_bytes);
  record.route = reader.bytes(route_bytes);
  record.note = reader.bytes(note_bytes);
  record.body = reader.bytes(body_bytes);
  if (!reader.finished()) return damaged(lane, seq, "its lengths do not add up");
  return record;
}

}  // namespace sluice::queue
