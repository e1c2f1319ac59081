#include "shipper/failover.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr milliseconds kNow{1'000'000};

TEST(Failover, ASingleUrlIsNeverLeft) {
  Failover failover(1);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(failover.failed(0, kNow));
  EXPECT_EQ(failover.choose(true, kNow), 0U);
  EXPECT_TRUE(failover.has_tried_all());
}

TEST(Failover, TheNextIsTriedAfterSomeFailuresInARow) {
  Failover failover(2);
  EXPECT_FALSE(failover.failed(0, kNow));
  EXPECT_FALSE(failover.failed(0, kNow));
  EXPECT_FALSE(failover.served(0));
  EXPECT_FALSE(failover.failed(0, kNow));
  EXPECT_FALSE(failover.failed(0, kNow));
  EXPECT_TRUE(failover.failed(0, kNow));
  EXPECT_EQ(failover.current(), 1U);
  EXPECT_FALSE(failover.has_tried_all());
}

TEST(Failover, LateNewsOfAUrlThatWasGivenUpCountsForNothing) {
  Failover failover(2);
  while (!failover.failed(0, kNow)) {
  }
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(failover.failed(0, kNow));
  EXPECT_EQ(failover.current(), 1U);
}

TEST(Failover, InAnOutageOfAllEachHasOneTryAfterTheFirstRound) {
  Failover failover(3);
  for (std::size_t url = 0; url < 3; ++url) {
    for (unsigned i = 1; i < kFailoverTriesMax; ++i) EXPECT_FALSE(failover.failed(url, kNow));
    EXPECT_TRUE(failover.failed(url, kNow));
  }
  EXPECT_TRUE(failover.has_tried_all());
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(failover.current(), i % 3);
    EXPECT_TRUE(failover.failed(i % 3, kNow));
  }
  failover.served(0);
  EXPECT_FALSE(failover.has_tried_all());
}

TEST(Failover, ThePreferredIsTriedNowAndThenByOneRequestAndTakenBack) {
  Failover failover(2);
  while (!failover.failed(0, kNow)) {
  }
  EXPECT_EQ(failover.choose(true, kNow + kReturnWaitMin - milliseconds(1)), 1U);
  EXPECT_EQ(failover.choose(false, kNow + kReturnWaitMin), 1U);
  EXPECT_EQ(failover.choose(true, kNow + kReturnWaitMin), 0U);
  EXPECT_EQ(failover.choose(true, kNow + kReturnWaitMin), 1U);
  EXPECT_FALSE(failover.failed(0, kNow + kReturnWaitMin));
  EXPECT_EQ(failover.current(), 1U);

  auto next = kNow + kReturnWaitMin + 2 * kReturnWaitMin;
  EXPECT_EQ(failover.choose(true, next - milliseconds(1)), 1U);
  EXPECT_EQ(failover.choose(true, next), 0U);
  EXPECT_TRUE(failover.served(0));
  EXPECT_EQ(failover.current(), 0U);
}

TEST(Failover, TriesOfThePreferredBecomeRarerUpToALimit) {
  Failover failover(2);
  while (!failover.failed(0, kNow)) {
  }
  auto now = kNow;
  for (int i = 0; i < 20; ++i) {
    now += kReturnWaitMax;
    ASSERT_EQ(failover.choose(true, now), 0U);
    failover.failed(0, now);
  }
}

// A lane with two Fluentds.
struct TwoSinks {
  explicit TwoSinks(std::size_t connections = 4) : rig(options(connections)) {
    rig.transport.responder = [this](const auto& request) {
      const bool is_first = request.url.starts_with("https://first/");
      auto answer = is_first ? first : second;
      if (answer && answer->status == 200) {
        for (const int number : event_numbers(request.body)) ++arrived[number];
        ++(is_first ? at_first : at_second);
      }
      return answer;
    };
  }
  static LaneOptions options(std::size_t connections) {
    LaneOptions options;
    options.urls = {"https://first/x", "https://second/x"};
    options.connections = connections;
    options.batch_events = 10;
    return options;
  }

  LaneRig rig;
  std::optional<fluentd::Answer> first = status(200);
  std::optional<fluentd::Answer> second = status(200);
  std::map<int, int> arrived;
  int at_first = 0;
  int at_second = 0;
};

TEST(LaneShipperFailover, TheFirstUrlTakesEverythingAsLongAsItWorks) {
  TwoSinks sinks;
  sinks.rig.lane.add_events(1000);
  ASSERT_TRUE(sinks.rig.step_until_position(1000));
  EXPECT_EQ(sinks.at_second, 0);
  EXPECT_TRUE(sinks.rig.observer.urls.empty());
}

TEST(LaneShipperFailover, AUrlThatCannotBeUsedIsReplacedByTheNextAndSaidOnce) {
  for (const auto& failure : {network_failure(false), network_failure(true), status(503),
                              status(500, "buffer space has too many data"), status(404)}) {
    TwoSinks sinks;
    sinks.rig.lane.add_events(1000);
    sinks.first = failure;
    const auto begin = sinks.rig.clock.monotonic();
    ASSERT_TRUE(sinks.rig.step_until_position(1000)) << failure.status;
    EXPECT_EQ(sinks.at_second, 100);
    EXPECT_EQ(sinks.rig.observer.urls, std::vector<std::string>{"https://second/x"});
    // Three tries, of which the second and third wait, by decorrelated jitter.
    EXPECT_LE(sinks.rig.clock.monotonic() - begin, seconds(7));
    EXPECT_TRUE(sinks.rig.store.letters.empty());
  }
}

TEST(LaneShipperFailover, OneFailureIsNoReasonToLeave) {
  TwoSinks sinks(1);
  sinks.rig.lane.add_events(1000);
  sinks.first = network_failure(false);
  sinks.rig.step(1);
  sinks.first = status(200);
  ASSERT_TRUE(sinks.rig.step_until_position(1000));
  EXPECT_EQ(sinks.at_second, 0);
}

TEST(LaneShipperFailover, WhatIsOfUnknownOutcomeIsSentToTheOtherAndCounted) {
  TwoSinks sinks(2);
  sinks.rig.lane.add_events(20);
  sinks.first = network_failure(true);
  ASSERT_TRUE(sinks.rig.step_until_position(20));
  EXPECT_EQ(sinks.arrived.size(), 20U);
  // Each attempt after one that may have been stored: at the first URL and then at the second.
  const auto repeated = (sinks.rig.transport.sent.size() - 2) * 10;
  EXPECT_EQ(sinks.rig.counters.resent_unknown, repeated);
}

TEST(LaneShipperFailover, ThePreferredUrlIsTakenBackByOneRequestAtATime) {
  TwoSinks sinks;
  sinks.rig.lane.add_events(40);
  sinks.first = network_failure(true);
  ASSERT_TRUE(sinks.rig.step_until_position(40));
  // It stays down: now and then one request is tried there, and then goes to the other one.
  std::size_t tries = 0;
  for (int i = 0; i < 100; ++i) {
    sinks.rig.clock.advance(seconds(6));
    sinks.rig.lane.add_events(40);
    const std::size_t before = sinks.rig.transport.sent.size();
    ASSERT_TRUE(sinks.rig.step_until_position(sinks.rig.lane.last()));
    const auto& sent = sinks.rig.transport.sent;
    const auto now = std::count_if(
        sent.begin() + static_cast<std::ptrdiff_t>(before), sent.end(),
        [](const auto& request) { return request.url.starts_with("https://first/"); });
    EXPECT_LE(now, 1);
    tries += static_cast<std::size_t>(now);
  }
  EXPECT_GE(tries, 2U);
  EXPECT_LE(tries, 5U);
  EXPECT_EQ(sinks.rig.observer.urls, std::vector<std::string>{"https://second/x"});

  sinks.first = status(200);
  sinks.rig.clock.advance(minutes(10));
  sinks.rig.lane.add_events(400);
  ASSERT_TRUE(sinks.rig.step_until_position(sinks.rig.lane.last()));
  EXPECT_EQ(sinks.rig.observer.urls,
            (std::vector<std::string>{"https://second/x", "https://first/x"}));
  const int at_second = sinks.at_second;
  sinks.rig.lane.add_events(400);
  ASSERT_TRUE(sinks.rig.step_until_position(sinks.rig.lane.last()));
  EXPECT_EQ(sinks.at_second, at_second);
  for (const auto& [number, times] : sinks.arrived) EXPECT_EQ(times, 1) << number;
}

TEST(LaneShipperFailover, ARefusalThatIsNotBelievedEndsTheTryOfThePreferred) {
  TwoSinks sinks(1);
  sinks.rig.options.lone_refusals_max = 0;
  sinks.rig.lane.add_events(10);
  sinks.first = network_failure(false);
  ASSERT_TRUE(sinks.rig.step_until_position(10));

  sinks.first = status(400);
  sinks.rig.clock.advance(kReturnWaitMin);
  sinks.rig.lane.add_events(10);
  ASSERT_TRUE(sinks.rig.step_until_position(20, 100));
  EXPECT_EQ(sinks.at_first, 0);

  sinks.first = status(200);
  sinks.rig.clock.advance(kReturnWaitMax);
  sinks.rig.lane.add_events(10);
  ASSERT_TRUE(sinks.rig.step_until_position(30, 100));
  EXPECT_EQ(sinks.at_first, 1);
}

TEST(LaneShipperFailover, WithAllDownItGoesRoundWithOneRequestAtATimeAndTakesTheFirstThatWorks) {
  TwoSinks sinks;
  sinks.rig.lane.add_events(1000);
  sinks.first = sinks.second = network_failure(false);
  sinks.rig.step(600);
  EXPECT_LE(sinks.rig.transport.in_flight_max, 4U);
  const auto& sent = sinks.rig.transport.sent;
  ASSERT_GE(sent.size(), 20U);
  for (std::size_t i = sent.size() - 10; i < sent.size(); ++i) {
    EXPECT_NE(sent[i].url, sent[i - 1].url);
    EXPECT_GE(sent[i].at - sent[i - 1].at, sinks.rig.options.retry_min);
  }
  sinks.second = status(200);
  ASSERT_TRUE(sinks.rig.step_until_position(1000, 500));
}

TEST(LaneShipperFailover, AnImpatientLaneEndsOnlyWhenNoUrlCanBeReached) {
  auto options = TwoSinks::options(2);
  options.patient = false;
  {
    TwoSinks sinks;
    sinks.rig.options = options;
    sinks.rig.lane.add_events(100);
    sinks.first = network_failure(false);
    EXPECT_TRUE(sinks.rig.step_until_position(100));
  }
  TwoSinks sinks;
  sinks.rig.options = options;
  sinks.rig.lane.add_events(100);
  sinks.first = sinks.second = network_failure(false);
  LaneShipper& shipper = sinks.rig.start();
  Result<void> done;
  for (int i = 0; done && i < 300; ++i) done = shipper.step();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kUnavailable);
}

TEST(LaneShipperFailover, RefusedEventsAreNoReasonToLeave) {
  TwoSinks sinks;
  sinks.rig.lane.add_events(100);
  sinks.rig.transport.responder = [&](const auto& request) {
    const auto numbers = event_numbers(request.body);
    const bool has_poison = std::ranges::find(numbers, 55) != numbers.end();
    return std::optional(status(has_poison ? 400 : 200));
  };
  ASSERT_TRUE(sinks.rig.step_until_position(100));
  EXPECT_EQ(sinks.rig.store.letters.size(), 1U);
  EXPECT_TRUE(sinks.rig.observer.urls.empty());
}

}  // namespace
}  // namespace sluice::shipper
