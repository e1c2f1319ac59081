#include "fetcher/source/teleport_clock.h"

#include <gtest/gtest.h>

#include "tests/unit/fetcher/steered_clock.h"

namespace sluice::fetcher {
namespace {

constexpr Timestamp kNow{1'795'402'721, 0};

class TeleportClockTest : public ::testing::Test {
 protected:
  std::optional<Timestamp> at(const TeleportClock::Moment& moment) const {
    const auto known = teleport_.at_least_ms(moment);
    return known ? std::optional(from_unix_ms(*known)) : std::nullopt;
  }
  SteeredClock clock_{kNow};
  TeleportClock teleport_{clock_};
};

TEST_F(TeleportClockTest, KnowsNothingBeforeTheFirstEvent) {
  EXPECT_EQ(at(teleport_.moment()), std::nullopt);
}

TEST_F(TeleportClockTest, RunsOnFromTheEventThatProvesMost) {
  teleport_.saw(add_seconds(kNow, -30));
  clock_.advance(std::chrono::seconds(100));
  teleport_.saw(kNow);  // was on its way for longer
  EXPECT_EQ(at(teleport_.moment()), add_seconds(kNow, 70));
}

TEST_F(TeleportClockTest, KnowsOfMomentsBeforeTheEventToo) {
  const auto before = teleport_.moment();
  clock_.advance(std::chrono::seconds(100));
  teleport_.saw(add_seconds(kNow, 95));
  EXPECT_EQ(at(before), add_seconds(kNow, -5));
}

TEST_F(TeleportClockTest, IsNeverAheadOfOurOwn) {
  teleport_.saw(add_seconds(kNow, 3600));
  EXPECT_EQ(at(teleport_.moment()), kNow);
}

}  // namespace
}  // namespace sluice::fetcher
