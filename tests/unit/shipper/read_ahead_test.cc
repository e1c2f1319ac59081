#include "shipper/read_ahead.h"

#include <gtest/gtest.h>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using Routes = std::set<std::string, std::less<>>;

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
  while (found) ASSERT_TRUE(ahead->fill(&found).has_value());
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
  EXPECT_EQ(numbers(*ahead.take({})), (std::vector<queue::Seq>{1, 3}));
  EXPECT_EQ(numbers(*ahead.take({})), (std::vector<queue::Seq>{2, 4}));
  EXPECT_FALSE(ahead.take({}).has_value());
}

TEST(ReadAhead, StrictOrderNeverReorders) {
  FakeLane lane;
  for (int i = 0; i < 4; ++i) lane.add_events(2, i % 2 == 0 ? "a" : "b");
  auto options = session_options();
  options.strict_order = true;
  ReadAhead ahead(options, &lane, {});
  fill_all(&ahead);
  queue::Seq next = 1;
  while (const auto batch = ahead.take({})) {
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
  EXPECT_EQ(ahead.take(Routes{"a"})->route(), "b");
  EXPECT_FALSE(ahead.take(Routes{"a"}).has_value());
  EXPECT_EQ(ahead.take({})->route(), "a");
}

TEST(ReadAhead, LimitsOfBatchesAndOfTheWholeAreKept) {
  FakeLane lane;
  lane.add_events(100, "a");
  ReadAhead ahead(session_options(), &lane, {});
  fill_all(&ahead);
  EXPECT_EQ(lane.records_read, 20U);
  EXPECT_EQ(ahead.take({})->size(), 10U);
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
  EXPECT_EQ(ahead.take({})->size(), 1U);
  EXPECT_EQ(ahead.take({})->body_bytes(), 5000U);
  fill_all(&ahead);
  EXPECT_EQ(numbers(*ahead.take({})), (std::vector<queue::Seq>{3}));
}

TEST(ReadAhead, CompletedRangesAreNotReadAgain) {
  FakeLane lane;
  lane.add_events(12, "a");
  queue::LaneProgress progress;
  progress.position = 2;
  progress.completed = {{4, 5}, {7, 9}};
  ReadAhead ahead(session_options(), &lane, progress);
  fill_all(&ahead);
  EXPECT_EQ(numbers(*ahead.take({})), (std::vector<queue::Seq>{3, 6, 10, 11, 12}));
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
  const auto batch = ahead.take({});
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
  const auto rest = ahead.fill(&found);
  ASSERT_TRUE(rest.has_value());
  ASSERT_EQ(rest->size(), 2U);
  EXPECT_EQ(rest->at(0)->seq, 2U);
  EXPECT_EQ(rest->at(1)->seq, 3U);
  EXPECT_EQ(numbers(*ahead.take({})), (std::vector<queue::Seq>{1}));
}

}  // namespace
}  // namespace sluice::shipper
