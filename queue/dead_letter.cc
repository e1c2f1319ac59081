#include "queue/dead_letter.h"

#include <fmt/format.h>

#include "queue/bytes.h"

namespace sluice::queue {
namespace {
constexpr std::uint8_t kVersion = 1;
}  // namespace

DeadLetter DeadLetter::of(Lane lane, const StoredRecord& record) {
  DeadLetter letter;
  letter.lane = lane;
  letter.seq = record.seq;
  letter.epoch = record.record.epoch;
  letter.kind = record.record.kind;
  letter.time = record.record.time;
  letter.fetched_at_ms = record.record.fetched_at_ms;
  letter.id = record.record.id;
  letter.type = record.record.type;
  letter.route = record.record.route;
  letter.body = record.record.body;
  letter.reason = record.record.note;
  return letter;
}

StoredRecord DeadLetter::record() const {
  RecordView view;
  view.kind = kind;
  view.epoch = epoch;
  view.fetched_at_ms = fetched_at_ms;
  view.time = time;
  view.id = id;
  view.type = type;
  view.route = route;
  view.body = body;
  return {seq, view};
}

std::string encode_dead_letter(const DeadLetter& letter) {
  std::string bytes;
  put_little(&bytes, kVersion);
  put_little(&bytes, static_cast<std::uint8_t>(letter.lane));
  put_little(&bytes, static_cast<std::uint8_t>(letter.kind));
  put_little(&bytes, letter.seq);
  put_little(&bytes, letter.epoch);
  put_little(&bytes, static_cast<std::uint64_t>(letter.time.seconds));
  put_little(&bytes, letter.time.nanos);
  put_little(&bytes, static_cast<std::uint64_t>(letter.fetched_at_ms));
  put_little(&bytes, letter.status);
  put_little(&bytes, letter.attempts);
  put_little(&bytes, static_cast<std::uint64_t>(letter.first_at_ms));
  put_little(&bytes, static_cast<std::uint64_t>(letter.last_at_ms));
  for (const std::string* text :
       {&letter.id, &letter.type, &letter.route, &letter.reason, &letter.answer, &letter.body}) {
    put_sized(&bytes, *text);
  }
  return bytes;
}

Result<DeadLetter> decode_dead_letter(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.little<std::uint8_t>() != kVersion) {
    return fail(ErrorKind::kFormat, "a dead letter has a version that this program does not know");
  }
  DeadLetter letter;
  letter.lane = static_cast<Lane>(reader.little<std::uint8_t>());
  letter.kind = static_cast<RecordKind>(reader.little<std::uint8_t>());
  letter.seq = reader.little<std::uint64_t>();
  letter.epoch = reader.little<std::uint64_t>();
  letter.time.seconds = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  letter.time.nanos = reader.little<std::uint32_t>();
  letter.fetched_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  letter.status = reader.little<std::uint32_t>();
  letter.attempts = reader.little<std::uint64_t>();
  letter.first_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  letter.last_at_ms = static_cast<std::int64_t>(reader.little<std::uint64_t>());
  for (std::string* text :
       {&letter.id, &letter.type, &letter.route, &letter.reason, &letter.answer, &letter.body}) {
    *text = reader.sized();
  }
  const bool known =
      static_cast<std::size_t>(letter.lane) < kLaneCount && letter.kind <= RecordKind::kGap;
  if (!reader.finished() || !known) return fail(ErrorKind::kCorrupt, "a dead letter is damaged");
  return letter;
}

}  // namespace sluice::queue
