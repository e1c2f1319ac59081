#include "fetcher/ingest/lane_buffers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

namespace sluice::fetcher {
namespace {

using queue::Lane;
using ::testing::ElementsAre;

constexpr std::chrono::milliseconds kNoWait{0};

Item item(Lane lane, const std::string& key, std::size_t bytes = 0) {
  return mark_of(lane, key, std::string(bytes, 'x'));
}

std::vector<std::string> take(LaneBuffers* buffers, const TakeLimits& limits = {}) {
  std::vector<Item> batch;
  buffers->take(limits, kNoWait, {}, &batch);
  std::vector<std::string> keys;
  for (const Item& taken : batch) keys.push_back(taken.cursor->key);
  return keys;
}

TEST(LaneBuffers, LeaveALaneAloneAndGoOnWithTheOther) {
  LaneBuffers buffers(1000);
  ASSERT_TRUE(buffers.push(item(Lane::kAudit, "a"), {}));
  ASSERT_TRUE(buffers.push(item(Lane::kSession, "s"), {}));
  TakeLimits limits;
  limits.left_alone[Lane::kAudit] = true;
  EXPECT_THAT(take(&buffers, limits), ElementsAre("s"));
  EXPECT_THAT(take(&buffers, limits), ElementsAre());
  EXPECT_FALSE(buffers.empty());
  EXPECT_THAT(take(&buffers), ElementsAre("a"));
}

TEST(LaneBuffers, GiveEachLanesItemsInTheirOrder) {
  LaneBuffers buffers(1U << 20);
  for (const char* key : {"a1", "a2", "a3"}) ASSERT_TRUE(buffers.push(item(Lane::kAudit, key), {}));
  for (const char* key : {"s1", "s2"}) ASSERT_TRUE(buffers.push(item(Lane::kSession, key), {}));
  EXPECT_THAT(take(&buffers), ElementsAre("a1", "a2", "a3", "s1", "s2"));
  EXPECT_TRUE(buffers.empty());
}

TEST(LaneBuffers, HoldBackTheSourcesOfAFullLaneOnly) {
  LaneBuffers buffers(10'000);
  ASSERT_TRUE(buffers.push(item(Lane::kSession, "s1", 9'900), {}));
  std::stop_source stop;
  std::atomic<bool> pushed = false;
  std::jthread source(
      [&] { pushed = buffers.push(item(Lane::kSession, "s2", 9'000), stop.get_token()); });
  ASSERT_TRUE(buffers.push(item(Lane::kAudit, "a1"), {})) << "the other lane has room";
  EXPECT_FALSE(pushed);
  EXPECT_THAT(take(&buffers), ElementsAre("a1", "s1"));
  source.join();
  EXPECT_TRUE(pushed);
  EXPECT_THAT(take(&buffers), ElementsAre("s2"));
}

TEST(LaneBuffers, LetNobodyOvertakeAnItemThatIsLargerThanTheBuffer) {
  LaneBuffers buffers(10'000);
  std::stop_source stop;
  std::vector<std::jthread> sources;
  ASSERT_TRUE(buffers.push(item(Lane::kAudit, "small", 500), {}));
  sources.emplace_back(
      [&] { buffers.push(item(Lane::kAudit, "large", 20'000), stop.get_token()); });
  for (int i = 0; i < 4; ++i) {
    sources.emplace_back([&] {
      while (buffers.push(item(Lane::kAudit, "small", 500), stop.get_token())) {
      }
    });
  }
  // One item a time, so that the lane is never empty while somebody may push.
  bool taken = false;
  for (int i = 0; i < 100'000 && !taken; ++i) {
    const auto keys = take(&buffers, {.items_max = 1, .bytes_max = 100});
    taken = !keys.empty() && keys.front() == "large";
    std::this_thread::sleep_for(std::chrono::microseconds(10));
  }
  stop.request_stop();
  EXPECT_TRUE(taken);
}

TEST(LaneBuffers, ServeTheNextWhenTheFirstOfThoseWhoWaitIsStopped) {
  LaneBuffers buffers(10'000);
  ASSERT_TRUE(buffers.push(item(Lane::kAudit, "a1", 500), {}));
  std::stop_source stop;
  std::atomic<bool> pushed = true;
  std::jthread first(
      [&] { pushed = buffers.push(item(Lane::kAudit, "large", 50'000), stop.get_token()); });
  std::jthread second([&] { buffers.push(item(Lane::kAudit, "a2"), {}); });
  stop.request_stop();
  first.join();
  second.join();
  EXPECT_FALSE(pushed);
  EXPECT_THAT(take(&buffers), ElementsAre("a1", "a2"));
}

TEST(LaneBuffers, LetAWaitingSourceGoWhenItIsStopped) {
  LaneBuffers buffers(1'000);
  ASSERT_TRUE(buffers.push(item(Lane::kAudit, "a1", 5'000), {})) << "an empty lane takes any item";
  std::stop_source stop;
  std::atomic<bool> pushed = true;
  std::jthread source([&] { pushed = buffers.push(item(Lane::kAudit, "a2"), stop.get_token()); });
  stop.request_stop();
  source.join();
  EXPECT_FALSE(pushed);
  EXPECT_THAT(take(&buffers), ElementsAre("a1"));
}

TEST(LaneBuffers, KeepToTheLimitsExceptForASingleLargeItem) {
  LaneBuffers buffers(1U << 20);
  for (const char* key : {"a1", "a2", "a3"}) {
    ASSERT_TRUE(buffers.push(item(Lane::kAudit, key, 5'000), {}));
  }
  EXPECT_THAT(take(&buffers, {.items_max = 10, .bytes_max = 12'000}), ElementsAre("a1", "a2"));
  EXPECT_THAT(take(&buffers, {.items_max = 10, .bytes_max = 100}), ElementsAre("a3"));
}

TEST(LaneBuffers, GiveBothLanesTheirShare) {
  LaneBuffers buffers(1U << 20);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(buffers.push(item(Lane::kAudit, "a"), {}));
    ASSERT_TRUE(buffers.push(item(Lane::kSession, "s"), {}));
  }
  EXPECT_THAT(take(&buffers, {.items_max = 4, .bytes_max = 1U << 20}),
              ElementsAre("a", "a", "s", "s"));
  EXPECT_THAT(take(&buffers, {.items_max = 4, .bytes_max = 1U << 20}),
              ElementsAre("s", "s", "a", "a"));
}

TEST(LaneBuffers, DoNotStarveALaneWhoseItemsAreLarge) {
  LaneBuffers buffers(1U << 20);
  ASSERT_TRUE(buffers.push(item(Lane::kAudit, "large", 50'000), {}));
  bool taken = false;
  for (int round = 0; round < 2 && !taken; ++round) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(buffers.push(item(Lane::kSession, "s", 5'000), {}));
    const auto keys = take(&buffers, {.items_max = 100, .bytes_max = 60'000});
    taken = std::find(keys.begin(), keys.end(), "large") != keys.end();
  }
  EXPECT_TRUE(taken);
}

}  // namespace
}  // namespace sluice::fetcher
