// When a lane sends, and how much at once.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LaneShipperLimits, ABatchThatIsNotFullLingersAndGoesWithWhatCame) {
  LaneOptions options;
  options.batch_events = 10;
  options.linger = milliseconds(200);
  LaneRig rig(options);
  rig.transport.responder = [](const auto&) { return status(200); };
  rig.lane.add_events(1);
  const auto begin = rig.clock.monotonic();
  rig.transport.poll_max = milliseconds(60);
  rig.step();
  EXPECT_TRUE(rig.transport.sent.empty());
  rig.lane.add_events(3);
  ASSERT_TRUE(rig.step_until_position(4));
  ASSERT_EQ(rig.transport.sent.size(), 1U);
  EXPECT_EQ(rig.transport.sent[0].at - begin, milliseconds(200));
}

TEST(LaneShipperLimits, FullBatchesDoNotLinger) {
  LaneOptions options;
  options.batch_events = 10;
  options.linger = std::chrono::hours(1);
  LaneRig rig(options);
  rig.transport.responder = [](const auto&) { return status(200); };
  rig.lane.add_events(45);
  const auto begin = rig.clock.monotonic();
  ASSERT_TRUE(rig.step_until_position(40, 20));
  EXPECT_EQ(rig.clock.monotonic(), begin);
}

TEST(LaneShipperLimits, ALingeringBatchDoesNotDelayAStop) {
  LaneOptions options;
  options.linger = std::chrono::hours(1);
  LaneRig rig(options);
  rig.lane.add_events(5);
  rig.step();
  const auto begin = rig.clock.monotonic();
  EXPECT_TRUE(rig.shipper->finish(seconds(5)));
  EXPECT_EQ(rig.clock.monotonic(), begin);
  EXPECT_TRUE(rig.transport.sent.empty());
  EXPECT_EQ(rig.store.progress().position, 0U);
}

fluentd::Answer time_limit() {
  auto answer = network_failure(true);
  answer.failure->time_limit = true;
  return answer;
}

TEST(LaneShipperLimits, WhatTimesOutIsSentAgainInPartsUntilItFits) {
  for (const std::size_t connections : {1U, 4U}) {
    LaneOptions options;
    options.connections = connections;
    options.batch_events = 512;
    LaneRig rig(options);
    rig.lane.add_events(2048);
    rig.transport.responder = [&](const auto& request) {
      return event_numbers(request.body).size() > 40 ? time_limit() : status(200);
    };
    ASSERT_TRUE(rig.step_until_position(2048, 3000)) << connections;
    EXPECT_TRUE(rig.store.letters.empty());
    if (connections > 1) continue;
    int last = 0;
    for (const auto& request : rig.transport.sent) {
      const auto numbers = event_numbers(request.body);
      if (numbers.size() > 40) continue;
      EXPECT_EQ(numbers.front(), last + 1);
      last = numbers.back();
    }
  }
}

TEST(LaneShipperLimits, SwitchedOffABatchIsSentAgainAsItWas) {
  LaneOptions options;
  options.batch_events = 100;
  options.connections = 1;
  options.adaptive = false;
  LaneRig rig(options);
  rig.lane.add_events(100);
  int tries = 0;
  rig.transport.responder = [&](const auto& request) {
    EXPECT_EQ(event_numbers(request.body).size(), 100U);
    return ++tries < 5 ? time_limit() : status(200);
  };
  EXPECT_TRUE(rig.step_until_position(100));
}

TEST(LaneShipperLimits, BodiesThatAreTooLargeMakeSmallerOnes) {
  LaneOptions options;
  options.batch_events = 500;
  LaneRig rig(options);
  rig.lane.add_events(10'000);
  std::size_t refused = 0;
  rig.transport.responder = [&](const auto& request) {
    const bool is_too_large = request.body.size() > 2000;
    refused += is_too_large ? 1 : 0;
    return status(is_too_large ? 413 : 200);
  };
  ASSERT_TRUE(rig.step_until_position(10'000));
  EXPECT_TRUE(rig.store.letters.empty());
  // The first four batches in parts, and then no more.
  EXPECT_LE(refused, 20U);
}

// However the limits move, what is under way stays within what a crash may send again.
TEST(LaneShipperLimits, NeverMoreUnderWayThanConnectionsTimesBatchEvents) {
  LaneOptions options;
  options.connections = 3;
  options.batch_events = 50;
  LaneRig rig(options);
  rig.lane.add_events(5000);
  std::uint32_t random = 7;
  std::set<int> arrived;
  rig.transport.responder = [&](const auto& request) -> std::optional<fluentd::Answer> {
    random = random * 1'664'525U + 1'013'904'223U;
    const auto numbers = event_numbers(request.body);
    EXPECT_LE(numbers.size(), 50U);
    const bool is_stored = (random >> 20U) % 4 != 0;
    if (is_stored) arrived.insert(numbers.begin(), numbers.end());
    switch ((random >> 16U) % 30) {
      case 0:
        return time_limit();
      case 1:
      case 2:
        return status(503);
      case 3:
      case 4:
        return std::nullopt;
      default:
        if (!is_stored) return status(429);
        return status(200);
    }
  };
  for (int i = 0; i < 20'000 && rig.store.progress().position < 5000; ++i) {
    rig.step();
    const auto unrecorded = std::ranges::count_if(
        arrived, [&](int number) { return !rig.store.has(static_cast<queue::Seq>(number)); });
    ASSERT_LE(unrecorded, 3 * 50);
  }
  EXPECT_EQ(rig.store.progress().position, 5000U);
}

}  // namespace
}  // namespace sluice::shipper
