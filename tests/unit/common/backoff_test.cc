#include "common/backoff.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <stop_token>
#include <thread>

namespace sluice {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, EachWaitLiesBetweenTheBaseAndThriceTheLast) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(milliseconds(100), milliseconds(30'000), seed);
    milliseconds last(100);
    for (int i = 0; i < 50; ++i) {
      const milliseconds wait = backoff.next();
      EXPECT_GE(wait, milliseconds(100));
      EXPECT_LE(wait, std::min(last * 3, milliseconds(30'000)));
      last = wait;
    }
  }
}

TEST(Backoff, WaitsGrowToTheCapAndStartAgainAfterASuccess) {
  Backoff backoff(milliseconds(100), milliseconds(30'000), 1);
  milliseconds longest(0);
  for (int i = 0; i < 200; ++i) longest = std::max(longest, backoff.next());
  EXPECT_EQ(longest, milliseconds(30'000));
  backoff.reset();
  EXPECT_LE(backoff.next(), milliseconds(300));
}

TEST(Backoff, SeedsGiveTheirOwnWaitsAndAlwaysTheSame) {
  Backoff one(milliseconds(100), milliseconds(1'000'000), 1);
  Backoff same(milliseconds(100), milliseconds(1'000'000), 1);
  Backoff other(milliseconds(100), milliseconds(1'000'000), 2);
  int different = 0;
  for (int i = 0; i < 20; ++i) {
    const milliseconds wait = one.next();
    EXPECT_EQ(wait, same.next());
    different += wait == other.next() ? 0 : 1;
  }
  EXPECT_GT(different, 15);
}

TEST(Backoff, SeedsThatAreNotGivenDiffer) {
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 1000; ++i) seeds.insert(random_seed());
  EXPECT_EQ(seeds.size(), 1000U);
}

TEST(Backoff, UnusableBoundsAreMendedNotObeyed) {
  Backoff zero(milliseconds(0), milliseconds(0), 1);
  EXPECT_EQ(zero.next(), milliseconds(1));
  Backoff upside_down(milliseconds(500), milliseconds(100), 1);
  EXPECT_EQ(upside_down.next(), milliseconds(500));
}

TEST(SleepFor, EndsByItselfWhenNobodyStopsIt) {
  const std::stop_source source;
  EXPECT_TRUE(sleep_for(source.get_token(), milliseconds(1)));
  EXPECT_TRUE(sleep_for(source.get_token(), milliseconds(-1)));
  EXPECT_TRUE(sleep_for(std::stop_token(), milliseconds(1)));
}

TEST(SleepFor, DoesNotSleepAfterAStop) {
  std::stop_source source;
  source.request_stop();
  EXPECT_FALSE(sleep_for(source.get_token(), std::chrono::hours(24)));
}

// That it wakes at all is the test: the sleep is as long as it can be.
TEST(SleepFor, WakesWhenStopped) {
  std::stop_source source;
  std::jthread sleeper(
      [token = source.get_token()] { EXPECT_FALSE(sleep_for(token, milliseconds::max())); });
  source.request_stop();
}

}  // namespace
}  // namespace sluice
