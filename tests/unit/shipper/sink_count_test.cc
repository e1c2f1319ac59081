#include "shipper/monitor/sink_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shipper/sink_tally.h"

namespace sluice::shipper {
namespace {

// A sink with one process, and somebody who ships to it.
class SinkCountTest : public testing::Test {
 protected:
  // A request that is answered with success, and of which so many events were emitted.
  void ship(std::uint64_t events, std::uint64_t emitted) {
    tally_.sent(events);
    emit(emitted);
    tally_.accepted(events);
  }
  void emit(std::uint64_t events) {
    process_.counted += events;
    process_.counters["in emit_records"] = process_.counted;
    process_.counters["out emit_count"] += 1;
  }
  void restart() {
    process_ = {.plugins = "in ",
                .counted = 0,
                .by_outputs = 0,
                .process_id = process_.process_id,
                .counters = {}};
    process_.counters["in emit_records"] = 0;
    process_.counters["out emit_count"] = 0;
  }

  std::optional<SinkComparison> look() {
    return count_.look({.before = tally_.read(),
                        .after = tally_.read(),
                        .processes = {process_},
                        .at = {.seconds = ++seconds_}});
  }
  // What is missing by the second look from now.
  std::uint64_t missing() {
    look();
    const auto now = look();
    return now ? now->missing : 0;
  }

  SinkTally tally_;
  SinkCount count_;
  SinkLook::Process process_{
      .plugins = "in ", .counted = 7, .by_outputs = 0, .process_id = 1, .counters = {}};
  std::int64_t seconds_ = 0;
};

TEST_F(SinkCountTest, ASinkThatCountsWhatItAcknowledgesDiffersByNothing) {
  EXPECT_FALSE(look().has_value());
  ship(500, 500);
  ship(3, 3);
  const auto now = look();
  ASSERT_TRUE(now.has_value());
  EXPECT_EQ(now->acknowledged, 503U);
  EXPECT_EQ(now->counted, 503U);
  EXPECT_EQ(now->differs_by(), 0);
  EXPECT_EQ(now->since.seconds, 1);
}

TEST_F(SinkCountTest, OneEventThatIsNotCountedIsMissingFromTheSecondLookThatSeesIt) {
  look();
  ship(500, 499);
  EXPECT_EQ(look()->missing, 0U);
  const auto now = look();
  EXPECT_EQ(now->missing, 1U);
  EXPECT_EQ(now->differs_by(), -1);
}

TEST_F(SinkCountTest, WhatIsMissingStaysSoAndGrows) {
  look();
  ship(10, 5);
  EXPECT_EQ(missing(), 5U);
  ship(10, 10);
  EXPECT_EQ(missing(), 5U);
  ship(10, 0);
  EXPECT_EQ(missing(), 15U);
}

TEST_F(SinkCountTest, WhatOthersSendIsNoDifferenceAndCannotHideALaterLossForLong) {
  look();
  emit(1000);
  ship(10, 10);
  EXPECT_EQ(look()->differs_by(), 1000);
  EXPECT_EQ(missing(), 0U);
  ship(10, 0);
  EXPECT_EQ(missing(), 10U);
}

TEST_F(SinkCountTest, WhatIsInFlightCountsForTheSink) {
  tally_.sent(500);
  look();
  // Emitted before the first look, as far as we know.
  tally_.accepted(500);
  EXPECT_EQ(missing(), 0U);
  // And what is emitted and not answered yet is no surplus that hides a loss afterwards.
  tally_.sent(100);
  emit(100);
  look();
  tally_.accepted(100);
  look();
  ship(10, 0);
  EXPECT_EQ(missing(), 10U);
}

TEST_F(SinkCountTest, WhatIsStoredWithoutAnAnswerOrTwiceIsNoDifference) {
  look();
  tally_.sent(500);
  emit(500);
  tally_.refused(500, false);
  ship(500, 1000);
  EXPECT_EQ(missing(), 0U);
}

TEST_F(SinkCountTest, ACounterThatGoesBackBeginsTheComparisonAnew) {
  look();
  ship(500, 500);
  look();
  restart();
  ship(5, 5);
  EXPECT_FALSE(look().has_value());
  ship(5, 5);
  EXPECT_EQ(look()->acknowledged, 5U);
  EXPECT_EQ(missing(), 0U);
}

TEST_F(SinkCountTest, ARestartedProcessThatHasCaughtUpIsKnownByItsId) {
  look();
  ship(10, 10);
  restart();
  process_.process_id = 2;
  ship(1000, 1000);
  EXPECT_FALSE(look().has_value());
  EXPECT_EQ(missing(), 0U);
}

TEST_F(SinkCountTest, ARestartedProcessWithTheSameIdIsKnownByAnyOtherCounter) {
  look();
  for (int i = 0; i < 10; ++i) ship(1, 1);
  look();
  restart();
  ship(1000, 1000);
  EXPECT_FALSE(look().has_value());
  EXPECT_EQ(missing(), 0U);
}

TEST_F(SinkCountTest, ARequestWithoutAnAnswerMayMeanAnotherProcessAndBeginsAnew) {
  look();
  tally_.sent(10);
  tally_.refused(10, true);
  ship(10, 0);
  EXPECT_FALSE(look().has_value());
}

TEST_F(SinkCountTest, WhatWasMissingBeforeARestartStaysTold) {
  look();
  ship(10, 0);
  EXPECT_EQ(missing(), 10U);
  restart();
  look();
  ship(5, 5);
  const auto now = look();
  EXPECT_EQ(now->missing, 0U);
  EXPECT_EQ(count_.missing_before().events, 10U);
  EXPECT_EQ(count_.missing_before().since.seconds, 1);
}

TEST_F(SinkCountTest, WhatWasSeenOnceOnlyBeforeARestartIsNotTold) {
  look();
  ship(10, 0);
  look();
  restart();
  look();
  look();
  EXPECT_EQ(count_.missing_before().events, 0U);
}

TEST_F(SinkCountTest, ACounterThatNeverCountsIsToldApart) {
  restart();
  look();
  ship(10, 0);
  look();
  const auto now = look();
  EXPECT_TRUE(now->counts_nothing);
  EXPECT_FALSE(now->reaches_outputs);
  process_.by_outputs = 10;
  EXPECT_TRUE(look()->reaches_outputs);
  EXPECT_EQ(now->missing, 10U);
  tally_.sent(1);
  tally_.refused(1, true);
  EXPECT_FALSE(look().has_value());
  EXPECT_EQ(count_.missing_before().events, 0U);
}

TEST_F(SinkCountTest, WorkersAreCountedTogetherAndOneThatRestartsBeginsAnew) {
  SinkLook::Process second{
      .plugins = "in ", .counted = 0, .by_outputs = 0, .process_id = 2, .counters = {}};
  const auto look_at_both = [&] {
    return count_.look({.before = tally_.read(),
                        .after = tally_.read(),
                        .processes = {process_, second},
                        .at = {.seconds = ++seconds_}});
  };
  look_at_both();
  ship(10, 4);
  second.counted += 6;
  EXPECT_EQ(look_at_both()->missing, 0U);
  EXPECT_EQ(look_at_both()->differs_by(), 0);
  second = {.plugins = "in ", .counted = 0, .by_outputs = 0, .process_id = 3, .counters = {}};
  EXPECT_FALSE(look_at_both().has_value());
}

}  // namespace
}  // namespace sluice::shipper
