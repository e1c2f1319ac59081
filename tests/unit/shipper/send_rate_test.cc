// How fast all that send together may be, and whose turn it is.
#include "shipper/send_rate.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

#include "shipper/lane_shipper.h"
#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

TEST(SendRate, WithoutALimitAllMaySendAtOnce) {
  SendRate rate(0, 0);
  EXPECT_EQ(rate.sent(1'000'000, 1'000'000, milliseconds(70)), milliseconds(70));
}

TEST(SendRate, ARequestDelaysTheNextByItsShareOfTheStricterLimit) {
  SendRate events(100, 0);
  EXPECT_EQ(events.sent(50, 1, milliseconds(1000)), milliseconds(1500));
  SendRate bytes(100, 1000);
  EXPECT_EQ(bytes.sent(50, 2000, milliseconds(1000)), milliseconds(3000));
  EXPECT_EQ(bytes.sent(200, 1, milliseconds(3000)), milliseconds(5000));
}

TEST(SendRate, TimeInWhichNothingIsSentIsNotSaved) {
  SendRate rate(100, 0);
  EXPECT_EQ(rate.sent(10, 0, milliseconds(0)), milliseconds(100));
  EXPECT_EQ(rate.sent(10, 0, milliseconds(60'000)), milliseconds(60'100));
}

TEST(SendRate, TheLargestRequestsDoNotOverflow) {
  SendRate rate(0, 1);
  EXPECT_EQ(rate.sent(1, 128U << 20, milliseconds(0)), std::chrono::seconds(128U << 20));
}

// Each sends whenever it may.
TEST(SendRate, SendersTakeTurnsAndTogetherKeepToTheRate) {
  SendRate rate(1000, 0);
  std::array<milliseconds, 3> next{};
  std::array<std::uint64_t, 3> sent{};
  for (milliseconds now{0}; now < milliseconds(30'000); ++now) {
    for (std::size_t i = 0; i < next.size(); ++i) {
      if (i == 2 && now < milliseconds(15'000)) continue;
      if (now < next[i]) continue;
      next[i] = rate.sent(20, 0, now);
      sent[i] += 20;
    }
  }
  EXPECT_LE(sent[0] + sent[1] + sent[2], 30'000U + 3 * 20);
  EXPECT_GE(sent[0] + sent[1] + sent[2], 30'000U);
  EXPECT_NEAR(static_cast<double>(sent[0]), static_cast<double>(sent[1]), 40);
  EXPECT_NEAR(static_cast<double>(sent[2]), 5'000, 60);
}

TEST(SendRate, ALaneKeepsToItAndStillSendsAll) {
  LaneOptions options;
  options.connections = 4;
  options.batch_events = 10;
  LaneRig rig(options);
  SendRate rate(50, 0);
  rig.rate = &rate;
  rig.lane.add_events(400);
  rig.transport.responder = [](const auto&) { return status(200); };
  const auto begin = rig.clock.monotonic();
  EXPECT_TRUE(rig.step_until_position(400));
  ASSERT_EQ(rig.transport.sent.size(), 40U);
  for (std::size_t i = 0; i < rig.transport.sent.size(); ++i) {
    EXPECT_GE(rig.transport.sent[i].at - begin, milliseconds(200) * i);
  }
  EXPECT_LE(rig.clock.monotonic() - begin, milliseconds(9000));
}

// What is sent again is load for the sink as well.
TEST(SendRate, WhatIsSentAgainCounts) {
  LaneOptions options;
  options.connections = 1;
  options.batch_events = 10;
  options.retry_min = milliseconds(1);
  options.retry_max = milliseconds(2);
  LaneRig rig(options);
  SendRate rate(50, 0);
  rig.rate = &rate;
  rig.lane.add_events(10);
  rig.transport.responder = [](const auto&) { return status(503); };
  rig.step(100);
  ASSERT_GE(rig.transport.sent.size(), 3U);
  for (std::size_t i = 1; i < rig.transport.sent.size(); ++i) {
    EXPECT_GE(rig.transport.sent[i].at - rig.transport.sent[i - 1].at, milliseconds(200));
  }
}

}  // namespace
}  // namespace sluice::shipper
