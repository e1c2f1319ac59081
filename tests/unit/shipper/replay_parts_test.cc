// The small parts of a replay: which numbers are finished, and how fast it goes.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "shipper/replay/job_tracker.h"
#include "shipper/replay/rate_limit.h"

namespace sluice::shipper {
namespace {

using queue::Lane;
using queue::Seq;
using queue::SeqRange;
using std::chrono::milliseconds;

TEST(RateLimit, GivesTheRateAndKeepsASecondAtMost) {
  RateLimit limit(500, milliseconds(1000));
  EXPECT_EQ(limit.available(milliseconds(1000)), 0u);
  EXPECT_EQ(limit.available(milliseconds(1100)), 50u);
  limit.take(50);
  EXPECT_EQ(limit.available(milliseconds(1101)), 0u);
  EXPECT_EQ(limit.available(milliseconds(1102)), 1u);
  EXPECT_EQ(limit.available(milliseconds(100'000)), 500u);
}

TEST(RateLimit, LowRatesAddUp) {
  RateLimit limit(1, milliseconds(0));
  std::size_t sent = 0;
  for (int now = 0; now <= 10'000; now += 7) {
    const std::size_t some = limit.available(milliseconds(now));
    limit.take(some);
    sent += some;
  }
  EXPECT_EQ(sent, 9u);  // the last moment looked at is 9'996 ms
}

TEST(RateLimit, ZeroIsNoLimit) {
  RateLimit limit(0, milliseconds(0));
  EXPECT_GT(limit.available(milliseconds(0)), 1'000'000u);
  limit.take(1'000'000);
}

TEST(JobTracker, PositionIsBeforeTheFirstThatIsNotFinished) {
  JobTracker tracker(10, {});
  EXPECT_EQ(tracker.next(), 11u);
  tracker.pass_over(13);
  EXPECT_EQ(tracker.position(), 13u);
  tracker.hand_out(15);
  tracker.hand_out(17);
  tracker.hand_out(19);
  tracker.pass_over(25);
  EXPECT_EQ(tracker.position(), 14u);
  tracker.finish(17);
  EXPECT_EQ(tracker.position(), 14u);
  EXPECT_EQ(tracker.completed(), (std::vector<SeqRange>{{17, 17}}));
  tracker.finish(15);
  EXPECT_EQ(tracker.position(), 18u);
  EXPECT_TRUE(tracker.completed().empty());
  EXPECT_FALSE(tracker.is_idle());
  tracker.finish(19);
  EXPECT_EQ(tracker.position(), 25u);
  EXPECT_TRUE(tracker.is_idle());
}

TEST(JobTracker, WhatAnEarlierProcessHasFinishedStaysFinished) {
  JobTracker tracker(10, {{14, 16}, {20, 22}});
  tracker.hand_out(12);
  tracker.hand_out(14);
  tracker.hand_out(15);
  EXPECT_EQ(tracker.position(), 11u);
  EXPECT_EQ(tracker.completed(), (std::vector<SeqRange>{{14, 15}, {16, 16}, {20, 22}}));
  tracker.finish(12);
  EXPECT_EQ(tracker.position(), 15u);
}

// Random jobs that are cut off again and again: what is handed out after a restart is exactly what
// was not finished before.
TEST(JobTracker, RestartsRepeatOnlyWhatWasNotFinished) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 dice(seed);
    std::set<Seq> finished;
    Seq position = 0;
    std::vector<SeqRange> completed;
    const Seq last = 60;
    for (int restart = 0; restart < 4; ++restart) {
      JobTracker tracker(position, completed);
      std::vector<Seq> under_way;
      for (int i = 0; i < 40; ++i) {
        if (tracker.next() <= last && dice() % 2 == 0) {
          const Seq seq = tracker.next();
          if (seq % 3 == 0) {
            tracker.pass_over(seq);
          } else if (tracker.was_completed(seq)) {
            ASSERT_TRUE(finished.contains(seq)) << "seed " << seed;
            tracker.hand_out(seq);
          } else {
            ASSERT_FALSE(finished.contains(seq)) << "seed " << seed;
            tracker.hand_out(seq);
            under_way.push_back(seq);
          }
        } else if (!under_way.empty()) {
          const std::size_t at = dice() % under_way.size();
          tracker.finish(under_way[at]);
          finished.insert(under_way[at]);
          under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(at));
        }
      }
      position = tracker.position();
      completed = tracker.completed();
      for (Seq seq = 1; seq <= position; ++seq) {
        ASSERT_TRUE(seq % 3 == 0 || finished.contains(seq)) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::shipper
