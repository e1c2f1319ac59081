#include "queue/retention.h"

#include <gtest/gtest.h>

#include "queue/control_page.h"
#include "queue/history.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

LaneRetention lane() {
  return {.floor = 10, .position = 100, .hold = kNoHold, .aged = 50, .size_edge = 0};
}

TEST(NextFloor, IsBehindWhatWasAcknowledgedARetentionTimeAgo) {
  EXPECT_EQ(next_floor(lane()), 51U);
}

TEST(NextFloor, NeverPassesWhatIsNotAcknowledged) {
  LaneRetention with = lane();
  with.aged = 500;
  with.size_edge = 600;
  with.forced_edge = 700;
  EXPECT_EQ(next_floor(with), 101U);
}

TEST(NextFloor, NeverGoesBack) {
  LaneRetention with = lane();
  with.floor = 80;
  EXPECT_EQ(next_floor(with), 80U);
  with.position = 20;
  EXPECT_EQ(next_floor(with), 80U);
}

TEST(NextFloor, TrimsEarlierWhereRoomIsNeeded) {
  LaneRetention with = lane();
  with.size_edge = 90;
  EXPECT_EQ(next_floor(with), 90U);
}

TEST(NextFloor, KeepsWhatIsHeldUntilRoomCannotBeHadOtherwise) {
  LaneRetention with = lane();
  with.hold = 30;
  with.size_edge = 90;
  EXPECT_EQ(next_floor(with), 30U);
  with.forced_edge = 70;
  EXPECT_EQ(next_floor(with), 70U);
}

PerLane<std::vector<KeptFile>> two_lanes() {
  PerLane<std::vector<KeptFile>> files;
  files[Lane::kAudit] = {{1, 10, 100}, {11, 20, 100}, {21, 30, 100}};
  files[Lane::kSession] = {{1, 5, 50}, {6, 10, 50}};
  return files;
}

PerLane<Seq> limits(Seq audit, Seq session) {
  PerLane<Seq> numbers;
  numbers[Lane::kAudit] = audit;
  numbers[Lane::kSession] = session;
  return numbers;
}

TEST(SizeEdges, TakesWholeFilesOfTheFullerLane) {
  RoomNeeded needed{.total = 150, .lane = {}};
  EXPECT_EQ(size_edges(two_lanes(), limits(100, 100), &needed), limits(21, 0));
  EXPECT_FALSE(needed.any());
}

TEST(SizeEdges, LeavesFilesThatReachTheLimitAndSaysWhatIsMissing) {
  RoomNeeded needed{.total = 500, .lane = {}};
  EXPECT_EQ(size_edges(two_lanes(), limits(20, 6), &needed), limits(11, 6));
  EXPECT_EQ(needed.total, 350U);
}

TEST(SizeEdges, TakesFromTheLaneWhoseOwnLimitIsExceeded) {
  RoomNeeded needed{.total = 10, .lane = {}};
  needed.lane[Lane::kSession] = 60;
  EXPECT_EQ(size_edges(two_lanes(), limits(100, 100), &needed), limits(0, 11));
  EXPECT_FALSE(needed.any());
}

constexpr std::int64_t kDayMs = 86'400'000;

// A fetcher's days: rows are made by its clocks, and it may be started again.
class HistoryTest : public ::testing::Test {
 protected:
  void start(milliseconds retention = milliseconds(kDayMs)) {
    history_.emplace(retention, rows_);
    row(position_, durable_);
  }
  void row(Seq position, Seq durable) {
    position_ = position;
    durable_ = durable;
    rows_.push_back(history_->next_row(now_, limits(position, position), limits(durable, durable)));
    history_->add(rows_.back());
  }
  void pass(std::int64_t ms) {
    now_.unix_ms += ms;
    now_.boottime_ms += static_cast<std::uint64_t>(ms);
  }
  Seq aged() { return history_->aged(now_)[Lane::kAudit]; }

  Moment now_{.unix_ms = 1'795'402'721'000, .boottime_ms = 1000};
  std::vector<HistoryRow> rows_;
  std::optional<History> history_;
  Seq position_ = 0;
  Seq durable_ = 0;
};

TEST_F(HistoryTest, CountsRetentionFromAcknowledgement) {
  start();
  row(10, 100);  // 100 were fetched, 10 acknowledged
  pass(kDayMs - 1);
  EXPECT_EQ(aged(), 0U);
  row(100, 100);
  pass(1);
  EXPECT_EQ(aged(), 10U);
  pass(kDayMs - 2);
  EXPECT_EQ(aged(), 10U);
  pass(1);
  EXPECT_EQ(aged(), 100U);
}

TEST_F(HistoryTest, IsNotMovedByAClockThatStepsAhead) {
  start();
  row(10, 10);
  now_.unix_ms += 400 * kDayMs;
  pass(60'000);
  row(20, 20);
  EXPECT_EQ(aged(), 0U);
  EXPECT_EQ(rows_.back().time_ms, rows_[1].time_ms + 60'000);
  start();  // again, by a clock that still is ahead
  EXPECT_EQ(aged(), 0U);
}

TEST_F(HistoryTest, KeepsItsTimesAscendingWhenTheClockStepsBack) {
  start();
  row(10, 10);
  now_.unix_ms -= 400 * kDayMs;
  pass(60'000);
  row(20, 20);
  EXPECT_EQ(rows_.back().time_ms, rows_[1].time_ms + 1);
  pass(kDayMs - 60'000);
  EXPECT_EQ(aged(), 10U);
}

TEST_F(HistoryTest, CountsOnlyTheTimeThatTheMachineWasUpAcrossABoot) {
  start();
  row(10, 10);
  now_.unix_ms += 10 * kDayMs;  // off for ten days, or only its clock is wrong
  now_.boottime_ms = 500;
  start();
  EXPECT_EQ(aged(), 0U);
  pass(kDayMs - 501);
  EXPECT_EQ(aged(), 0U);
  pass(1);
  EXPECT_EQ(aged(), 10U);
}

TEST_F(HistoryTest, BelievesNoBootClockOfAnotherMachine) {
  start();
  row(10, 10);
  now_.unix_ms += 60'000;
  now_.boottime_ms += 100 * std::uint64_t{kDayMs};  // the queue was moved to a machine long up
  start();
  EXPECT_EQ(aged(), 0U);
}

TEST_F(HistoryTest, DoesNotTakeNewEventsForThoseThatHadTheirNumbersBefore) {
  start();
  row(170, 180);
  pass(60'000);
  durable_ = 150;  // the end was lost
  position_ = 150;
  start();
  row(150, 400);
  pass(2 * kDayMs);
  EXPECT_EQ(aged(), 150U);
  pass(60'000);
  start();  // it is known after a start, too
  EXPECT_EQ(aged(), 150U);
}

TEST_F(HistoryTest, KnowsAfterAStartWhatWasAcknowledgedBefore) {
  start();
  for (Seq n = 1; n <= 100; ++n) {
    pass(kDayMs / 50);
    row(n, n);
  }
  start();
  EXPECT_EQ(aged(), 50U);
  EXPECT_EQ(History(milliseconds(0), rows_).position()[Lane::kAudit], 100U);
}

}  // namespace
}  // namespace sluice::queue
