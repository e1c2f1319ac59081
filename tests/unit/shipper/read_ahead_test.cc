#include "shipper/read_ahead.h"

#include <gtest/gtest.h>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;
using Routes = std::set<std::string, std::less<>>;

constexpr milliseconds kNow{5000};

ReadAheadOptions session_options() {
  return {.lane = queue::Lane::kSession,
          .batch_events = 10,
          .batch_bytes = 1000,
          .records_max = 20,
          .bytes_max = 2000,
          .strict_order = false};
}

void fill_all(ReadAhead* ahead) {
  bool found = true;
  while (found) ASSERT_TRUE(ahead->fill(&found, kNow).has_value());
}

std::vector<queue::Seq> numbers(const Batch& batch) {
  std::vector<queue::Seq> seqs;
  for (const auto& record : batch.records()) seqs.push_back(record->seq);
  return seqs;
}

TEST(ReadAhead, InterleavedRoutesBecomeOneBatchEach) {
  FakeLane lane;
  for (int i = 0; i < 4; ++i) lane.add_events(1, i % 2 == 0 ? "a" : "b");
  ReadAhead ahead(session_options(), &lane, {});
  fill_all(&ahead);
  EXPECT_EQ(numbers(*ahead.take({}, kNow)), (std::vector<queue::Seq>{1, 3}));
  EXPECT_EQ(numbers(*ahead.take({}, kNow)), (std::vector<queue::Seq>{2, 4}));
  EXPECT_FALSE(ahead.take({}, kNow).has_value());
}

TEST(ReadAhead, StrictOrderNeverReorders) {
  FakeLane lane;
  for (int i = 0; i < 4; ++i) lane.add_events(2, i % 2 == 0 ? "a" : "b");
  auto options = session_options();
  options.strict_order = true;
  ReadAhead ahead(options, &lane, {});
  fill_all(&ahead);
  queue::Seq next = 1;
  while (const auto batch = ahead.take({}, kNow)) {
    EXPECT_EQ(numbers(*batch), (std::vector<queue::Seq>{next, next + 1}));
    next += 2;
  }
  EXPECT_EQ(next, 9U);
}

TEST(ReadAhead, BusyRoutesAreLeftWaiting) {
  FakeLane lane;
  lane.add_events(1, "a");
  lane.add_events(1, "b");
  ReadAhead ahead(session_options(), &lane, {});
  fill_all(&ahead);
  EXPECT_EQ(ahead.take(Routes{"a"}, kNow)->route(), "b");
  EXPECT_FALSE(ahead.take(Routes{"a"}, kNow).has_value());
  EXPECT_EQ(ahead.take({}, kNow)->route(), "a");
}

TEST(ReadAhead, LimitsOfBatchesAndOfTheWholeAreKept) {
  FakeLane lane;
  lane.add_events(100, "a");
  ReadAhead ahead(session_options(), &lane, {});
  fill_all(&ahead);
  EXPECT_EQ(lane.records_read, 20U);
  EXPECT_EQ(ahead.take({}, kNow)->size(), 10U);
  fill_all(&ahead);
  EXPECT_EQ(lane.records_read, 30U);
}

TEST(ReadAhead, EventLargerThanABatchIsABatchByItself) {
  FakeLane lane;
  lane.add_events(1, "a");
  lane.add_event(std::string(5000, 'x'), "a");
  lane.add_events(1, "a");
  ReadAhead ahead(session_options(), &lane, {});
  fill_all(&ahead);
  EXPECT_EQ(ahead.take({}, kNow)->size(), 1U);
  EXPECT_EQ(ahead.take({}, kNow)->body_bytes(), 5000U);
  fill_all(&ahead);
  EXPECT_EQ(numbers(*ahead.take({}, kNow)), (std::vector<queue::Seq>{3}));
}

TEST(ReadAhead, BatchThatIsNotFullWaitsForMoreUntilItsFirstRecordIsOldEnough) {
  FakeLane lane;
  auto options = session_options();
  options.linger = milliseconds(100);
  ReadAhead ahead(options, &lane, {});
  lane.add_events(1, "a");
  fill_all(&ahead);
  EXPECT_FALSE(ahead.take({}, kNow + milliseconds(99)).has_value());
  EXPECT_EQ(ahead.wait(kNow + milliseconds(60)), milliseconds(40));
  bool found = false;
  lane.add_events(1, "a");
  lane.add_events(1, "b");
  ASSERT_TRUE(ahead.fill(&found, kNow + milliseconds(60)).has_value());
  EXPECT_EQ(numbers(*ahead.take({}, kNow + milliseconds(100))), (std::vector<queue::Seq>{1, 2}));
  EXPECT_FALSE(ahead.take({}, kNow + milliseconds(100)).has_value());
  EXPECT_EQ(ahead.wait(kNow + milliseconds(100)), milliseconds(60));
  EXPECT_EQ(numbers(*ahead.take({}, kNow + milliseconds(160))), (std::vector<queue::Seq>{3}));
  EXPECT_FALSE(ahead.wait(kNow).has_value());
}

TEST(ReadAhead, FullBatchesGoAtOnce) {
  auto options = session_options();
  options.linger = std::chrono::hours(1);
  FakeLane by_events;
  by_events.add_events(13, "a");
  ReadAhead first(options, &by_events, {});
  fill_all(&first);
  EXPECT_EQ(first.take({}, kNow)->size(), 10U);
  EXPECT_FALSE(first.take({}, kNow).has_value());

  FakeLane by_bytes;
  by_bytes.add_event(std::string(600, 'x'), "a");
  by_bytes.add_event(std::string(600, 'x'), "a");
  ReadAhead second(options, &by_bytes, {});
  fill_all(&second);
  EXPECT_EQ(numbers(*second.take({}, kNow)), (std::vector<queue::Seq>{1}));
  EXPECT_FALSE(second.take({}, kNow).has_value());

  FakeLane of_many;
  for (int i = 0; i < 30; ++i) of_many.add_events(1, "route-" + std::to_string(i));
  ReadAhead third(options, &of_many, {});
  fill_all(&third);
  EXPECT_EQ(third.take({}, kNow)->size(), 1U);
}

TEST(ReadAhead, InStrictOrderABatchWaitsForNothingOnceAnotherRouteFollows) {
  auto options = session_options();
  options.strict_order = true;
  options.linger = std::chrono::hours(1);
  FakeLane lane;
  lane.add_events(2, "a");
  lane.add_events(2, "b");
  ReadAhead ahead(options, &lane, {});
  fill_all(&ahead);
  EXPECT_EQ(numbers(*ahead.take({}, kNow)), (std::vector<queue::Seq>{1, 2}));
  EXPECT_FALSE(ahead.take({}, kNow).has_value());
}

TEST(ReadAhead, ALowerLimitHoldsForWaitingBatchesToo) {
  FakeLane lane;
  lane.add_events(14, "a");
  ReadAhead ahead(session_options(), &lane, {});
  fill_all(&ahead);
  ahead.limit_batches(3, 1000);
  queue::Seq next = 1;
  while (const auto batch = ahead.take({}, kNow)) {
    EXPECT_LE(batch->size(), 3U);
    EXPECT_EQ(batch->first(), next);
    next = batch->last() + 1;
  }
  EXPECT_EQ(next, 15U);
  EXPECT_TRUE(ahead.empty());
}

TEST(ReadAhead, CompletedRangesAreNotReadAgain) {
  FakeLane lane;
  lane.add_events(12, "a");
  queue::LaneProgress progress;
  progress.position = 2;
  progress.completed = {{4, 5}, {7, 9}};
  ReadAhead ahead(session_options(), &lane, progress);
  fill_all(&ahead);
  EXPECT_EQ(numbers(*ahead.take({}, kNow)), (std::vector<queue::Seq>{3, 6, 10, 11, 12}));
  EXPECT_EQ(lane.numbers_read, (std::set<queue::Seq>{3, 6, 10, 11, 12}));
}

// Returns records that share the block that they were read into, as the queue's reader does.
class BlockSource final : public RecordSource {
 public:
  Result<std::vector<RecordPtr>> read(queue::Lane /*lane*/, queue::Seq first,
                                      const queue::ReadLimits& /*limits*/) override {
    struct Block {
      std::string text = "route-id-body";
      std::vector<queue::StoredRecord> records;
    };
    std::vector<RecordPtr> read;
    if (first > 1) return read;
    auto made = std::make_shared<Block>();
    const std::string_view text = made->text;
    for (queue::Seq seq = 1; seq <= 3; ++seq) {
      queue::StoredRecord stored{.seq = seq, .record = {}};
      stored.record.route = text.substr(0, 5);
      stored.record.id = text.substr(6, 2);
      stored.record.body = text.substr(9);
      made->records.push_back(stored);
    }
    for (const auto& record : made->records) read.emplace_back(made, &record);
    block = made;
    return read;
  }
  std::weak_ptr<const void> block;
};

TEST(ReadAhead, WaitingRecordsOfRecordingsDoNotKeepTheirBlock) {
  BlockSource source;
  ReadAhead ahead(session_options(), &source, {});
  fill_all(&ahead);
  EXPECT_TRUE(source.block.expired());
  const auto batch = ahead.take({}, kNow);
  ASSERT_TRUE(batch.has_value());
  ASSERT_EQ(numbers(*batch), (std::vector<queue::Seq>{1, 2, 3}));
  for (const auto& record : batch->records()) {
    EXPECT_EQ(record->record.route, "route");
    EXPECT_EQ(record->record.id, "id");
    EXPECT_EQ(record->record.body, "body");
  }
}

TEST(ReadAhead, RejectsAndGapsAreHandedOverInsteadOfSent) {
  FakeLane lane;
  lane.add_events(1);
  lane.add(queue::RecordKind::kReject, "raw", "cannot be decoded");
  lane.add(queue::RecordKind::kGap, "", "lost");
  ReadAhead ahead(session_options(), &lane, {});
  bool found = false;
  const auto rest = ahead.fill(&found, kNow);
  ASSERT_TRUE(rest.has_value());
  ASSERT_EQ(rest->size(), 2U);
  EXPECT_EQ(rest->at(0)->seq, 2U);
  EXPECT_EQ(rest->at(1)->seq, 3U);
  EXPECT_EQ(numbers(*ahead.take({}, kNow)), (std::vector<queue::Seq>{1}));
}

// They may be trimmed by now.
TEST(ReadAhead, WhatIsLeftOutAtTheFrontIsNotEvenRead) {
  FakeLane lane;
  lane.add_events(8, "a");
  ReadAhead ahead(session_options(), &lane, {});
  ahead.leave_out({1, 2, 3, 6});
  fill_all(&ahead);
  EXPECT_EQ(*lane.numbers_read.begin(), 4U);
  EXPECT_EQ(numbers(*ahead.take({}, kNow)), (std::vector<queue::Seq>{4, 5, 7, 8}));
}

}  // namespace
}  // namespace sluice::shipper
