// The queue's records: queue/record.
//
// The first byte says whether the checksum is made right before the record is read, or nothing
// behind the checksum would be reached. A record that is read, written again, has the same bytes.
#include <cstring>
#include <string>

#include "queue/bytes.h"
#include "queue/crc32c.h"
#include "queue/record.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using queue::Lane;
using queue::RecordKind;
using queue::RecordView;
using queue::Seq;

constexpr Lane kLane = Lane::kSession;
constexpr Seq kSeq = 7;

// As docs/queue-format.md has it.
constexpr std::size_t kReservedAt = 2;
constexpr std::size_t kChecksumAt = 4;
constexpr std::size_t kChecksumEnd = 8;

void correct_checksum(std::string* record) {
  if (record->size() < kChecksumEnd) return;
  std::string covered;
  queue::put_little(&covered, static_cast<std::uint8_t>(kLane));
  queue::put_big(&covered, kSeq);
  covered += record->substr(0, kChecksumAt) + record->substr(kChecksumEnd);
  std::string checksum;
  queue::put_little(&checksum, queue::crc32c(covered));
  record->replace(kChecksumAt, checksum.size(), checksum);
}

void run(std::string_view input) {
  if (input.empty()) return;
  const bool corrected = input.front() % 2 == 0;
  std::string bytes(input.substr(1));
  if (corrected) correct_checksum(&bytes);
  const auto record = queue::decode_record(kLane, kSeq, bytes);
  if (!record) {
    expect(record.error().kind == ErrorKind::kCorrupt || record.error().kind == ErrorKind::kFormat,
           "a refusal of another kind");
    return;
  }
  expect(!queue::decode_record(Lane::kAudit, kSeq, bytes), "a record is read in another lane");
  expect(!queue::decode_record(kLane, kSeq + 1, bytes), "a record is read under another number");
  std::string again;
  queue::encode_record(kLane, kSeq, *record, &again);
  // Two bytes are reserved: nothing is read from them, and zeros are written.
  std::string expected = bytes;
  expected.replace(kReservedAt, 2, 2, '\0');
  correct_checksum(&expected);
  expect(again == expected, "a record that was read is written with other bytes");
}

std::vector<std::string> seeds() {
  RecordView event;
  event.epoch = 9;
  event.fetched_at_ms = 1'795'402'721'000;
  event.time = {1'795'402'721, 5'000'000};
  event.id = "3b7d9f0e";
  event.type = "user.login";
  event.body = R"({"time":"2026-11-23T02:58:41Z"})";
  RecordView reject = event;
  reject.kind = RecordKind::kReject;
  reject.note = "the event cannot be shipped: it has no body";
  RecordView recording = event;
  recording.route = "2f1d";
  RecordView gap;
  gap.kind = RecordKind::kGap;
  gap.id = "x";
  std::vector<std::string> seeds;
  for (const RecordView& record : {event, reject, recording, gap}) {
    for (const char first : {'\0', '\1'}) {
      std::string bytes(1, first);
      queue::encode_record(kLane, kSeq, record, &bytes);
      seeds.push_back(std::move(bytes));
    }
  }
  return seeds;
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = nullptr, .bytes_max = 4096};

}  // namespace sluice::fuzz
