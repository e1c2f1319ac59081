#include "queue/record.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::queue {
namespace {

RecordView sample() {
  RecordView record;
  record.kind = RecordKind::kReject;
  record.epoch = 7;
  record.fetched_at_ms = 1'790'000'000'123;
  record.time = {-62'135'596'800, 5};  // Go's zero time
  record.id = "6f1c";
  record.type = "session.upload";
  record.route = "3c9a";
  record.note = "no usable time";
  record.body = R"({"event":"session.upload"})";
  return record;
}

std::string encoded(Lane lane = Lane::kSession, Seq seq = 42) {
  std::string bytes;
  encode_record(lane, seq, sample(), &bytes);
  return bytes;
}

TEST(Record, ComesBackAsItWasStored) {
  const std::string bytes = encoded();
  const auto record = decode_record(Lane::kSession, 42, bytes);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, RecordKind::kReject);
  EXPECT_EQ(record->epoch, 7u);
  EXPECT_EQ(record->fetched_at_ms, 1'790'000'000'123);
  EXPECT_EQ(record->time, (Timestamp{-62'135'596'800, 5}));
  EXPECT_EQ(record->id, "6f1c");
  EXPECT_EQ(record->type, "session.upload");
  EXPECT_EQ(record->route, "3c9a");
  EXPECT_EQ(record->note, "no usable time");
  EXPECT_EQ(record->body, R"({"event":"session.upload"})");
}

TEST(Record, IsAppendedBehindWhatIsThere) {
  std::string bytes = "before";
  encode_record(Lane::kSession, 42, sample(), &bytes);
  EXPECT_EQ(bytes, "before" + encoded());
}

TEST(Record, WithAnyByteChangedIsRefused) {
  const std::string good = encoded();
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char flip : {'\x01', '\x80'}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      const auto record = decode_record(Lane::kSession, 42, bad);
      ASSERT_FALSE(record) << "byte " << i;
      EXPECT_EQ(record.error().kind, ErrorKind::kCorrupt);
    }
  }
}

TEST(Record, CutShortAnywhereIsRefused) {
  const std::string good = encoded();
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(decode_record(Lane::kSession, 42, std::string_view(good).substr(0, length)));
  }
  EXPECT_FALSE(decode_record(Lane::kSession, 42, good + "x"));
}

TEST(Record, InAnotherPlaceIsRefused) {
  EXPECT_FALSE(decode_record(Lane::kAudit, 42, encoded()));
  const auto moved = decode_record(Lane::kSession, 43, encoded());
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().message,
            "record 43 of lane session is damaged: its checksum does not match");
}

}  // namespace
}  // namespace sluice::queue
