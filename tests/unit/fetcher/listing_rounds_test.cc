#include "fetcher/source/listing_rounds.h"

#include <gtest/gtest.h>

#include "tests/unit/fetcher/steered_clock.h"

namespace sluice::fetcher {
namespace {

constexpr Timestamp kNow{1'795'402'721, 0};
constexpr std::chrono::seconds kDelay{60};

class ListingRoundsTest : public ::testing::Test {
 protected:
  ListingRoundsTest() { teleport_.saw(kNow); }

  void begin_at(int seconds) {
    clock_.advance(std::chrono::seconds(seconds) - clock_.monotonic());
    rounds_.begin(teleport_.moment());
  }
  std::optional<Timestamp> read_up_to() {
    const auto ms = rounds_.read_up_to_ms(teleport_, kDelay);
    return ms ? std::optional(from_unix_ms(*ms)) : std::nullopt;
  }

  const Day today_ = day_of(kNow);
  SteeredClock clock_{kNow};
  TeleportClock teleport_{clock_};
  ListingRounds rounds_;
};

TEST_F(ListingRoundsTest, SaysNothingBeforeTheFirstRoundHasEnded) {
  begin_at(0);
  EXPECT_EQ(read_up_to(), std::nullopt);
}

TEST_F(ListingRoundsTest, HasReadUpToTheBeginOfARoundThatFoundNothing) {
  begin_at(100);
  rounds_.end();
  EXPECT_EQ(read_up_to(), add_seconds(kNow, 40));
}

// So that a busy cluster, in which some chunk is always being read, gets on.
TEST_F(ListingRoundsTest, BelievesAnEarlierRoundOnceItsChunksAreRead) {
  begin_at(100);
  rounds_.add_unread(today_, rounds_.number());
  const auto first = rounds_.number();
  rounds_.end();
  EXPECT_EQ(read_up_to(), start_of_day(today_));
  begin_at(200);
  rounds_.add_unread(today_, rounds_.number());
  rounds_.end();
  EXPECT_EQ(read_up_to(), start_of_day(today_));
  rounds_.remove_unread(today_, first);
  EXPECT_EQ(read_up_to(), add_seconds(kNow, 40));
}

TEST_F(ListingRoundsTest, DoesNotReachBeyondADayWhoseChunkOfAnEarlierRunIsUnread) {
  rounds_.add_unread(today_ - 3, 0);
  begin_at(100);
  rounds_.end();
  EXPECT_EQ(read_up_to(), start_of_day(today_ - 3));
}

TEST_F(ListingRoundsTest, ForgetsAFailureWithTheNextRoundThatSucceeds) {
  begin_at(100);
  rounds_.note_failure(today_ - 2);
  rounds_.note_failure(today_ - 1);
  rounds_.end();
  EXPECT_EQ(read_up_to(), start_of_day(today_ - 2));
  begin_at(200);
  rounds_.end();
  EXPECT_EQ(read_up_to(), add_seconds(kNow, 140));
}

}  // namespace
}  // namespace sluice::fetcher
