#include "shipper/batch.h"

#include <gtest/gtest.h>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

Batch batch_of(FakeLane* lane, std::size_t count) {
  Batch batch("");
  auto records = lane->read(queue::Lane::kAudit, 1, {.records_max = count, .bytes_max = 1U << 20});
  for (auto& record : *records) batch.append(record);
  return batch;
}

TEST(Batch, BodyIsAnArrayOfTheEventsAsTheyAre) {
  FakeLane lane;
  lane.add_event(R"({"a":1})");
  EXPECT_EQ(batch_of(&lane, 1).body(BodyForm::kArray), R"([{"a":1}])");
  lane.add_event(R"({"b":"ü, []"})");
  EXPECT_EQ(batch_of(&lane, 2).body(BodyForm::kArray), R"([{"a":1},{"b":"ü, []"}])");
}

TEST(Batch, LinesHaveOneEventEachAndAnEndEach) {
  FakeLane lane;
  lane.add_event(R"({"a":1})");
  EXPECT_EQ(batch_of(&lane, 1).body(BodyForm::kNdjson), "{\"a\":1}\n");
  lane.add_event(R"({"b":"ü\n, []"})");
  EXPECT_EQ(batch_of(&lane, 2).body(BodyForm::kNdjson), "{\"a\":1}\n{\"b\":\"ü\\n, []\"}\n");
}

TEST(Batch, AnEventThatIsWrittenInSeveralLinesIsOneLine) {
  FakeLane lane;
  lane.add_event("{\"a\":\r\n1}");
  lane.add_event(R"({"b":2})");
  EXPECT_EQ(batch_of(&lane, 2).body(BodyForm::kNdjson), "{\"a\":  1}\n{\"b\":2}\n");
}

TEST(Batch, ASingleEventGoesAsItIs) {
  FakeLane lane;
  lane.add_event("{\"a\":\n[1]}");
  EXPECT_EQ(batch_of(&lane, 1).body(BodyForm::kSingle), "{\"a\":\n[1]}");
}

TEST(BatchDeathTest, OfSeveralEventsIsNoSingleEvent) {
  FakeLane lane;
  lane.add_events(2);
  const Batch batch = batch_of(&lane, 2);
  EXPECT_DEATH((void)batch.body(BodyForm::kSingle), "single event");
}

TEST(Batch, HalvesHaveAllRecordsInOrder) {
  FakeLane lane;
  lane.add_events(5);
  const auto [earlier, later] = batch_of(&lane, 5).halves();
  EXPECT_EQ(earlier.first(), 1U);
  EXPECT_EQ(earlier.last(), 2U);
  EXPECT_EQ(later.first(), 3U);
  EXPECT_EQ(later.last(), 5U);
  EXPECT_EQ(event_numbers(earlier.body(BodyForm::kArray) + later.body(BodyForm::kArray)),
            (std::vector<int>{1, 2, 3, 4, 5}));
}

TEST(Batch, RecordsOutliveTheirReader) {
  auto lane = std::make_unique<FakeLane>();
  lane->add_events(2);
  const Batch batch = batch_of(lane.get(), 2);
  lane.reset();
  EXPECT_EQ(batch.body(BodyForm::kArray), R"([{"n":1},{"n":2}])");
}

}  // namespace
}  // namespace sluice::shipper
