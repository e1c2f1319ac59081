// What a lane does while the sink does not take events, or not these.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "shipper/lane_shipper.h"
#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

LaneOptions options_with(std::size_t connections) {
  LaneOptions options;
  options.connections = connections;
  options.batch_events = 10;
  return options;
}

TEST(LaneShipperRetry, WaitsAtLeastTheMinimumAndNeverLongerThanTheMaximum) {
  LaneRig rig(options_with(1));
  rig.lane.add_events(10);
  rig.transport.responder = [](const auto&) { return network_failure(false); };
  rig.step(400);
  const auto& sent = rig.transport.sent;
  ASSERT_GE(sent.size(), 10U);
  milliseconds longest{0};
  for (std::size_t i = 1; i < sent.size(); ++i) {
    const auto wait = sent[i].at - sent[i - 1].at;
    EXPECT_GE(wait, rig.options.retry_min);
    EXPECT_LE(wait, rig.options.retry_max);
    longest = std::max(longest, wait);
  }
  EXPECT_GT(longest, 4 * rig.options.retry_min);
}

TEST(LaneShipperRetry, AnImpatientLaneEndsWhenItNeverReachesTheSink) {
  LaneOptions options = options_with(2);
  options.patient = false;
  LaneRig rig(options);
  rig.lane.add_events(100);
  rig.transport.responder = [](const auto&) { return network_failure(false); };
  LaneShipper& shipper = rig.start();
  Result<void> done;
  for (int i = 0; done && i < 10; ++i) done = shipper.step();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kUnavailable);
  EXPECT_FALSE(shipper.step());
}

TEST(LaneShipperRetry, AnImpatientLaneGoesOnWhenItHasReachedTheSinkBefore) {
  LaneOptions options = options_with(1);
  options.patient = false;
  LaneRig rig(options);
  rig.lane.add_events(30);
  int sent = 0;
  rig.transport.responder = [&](const auto&) {
    ++sent;
    return sent == 2 ? network_failure(false) : status(200);
  };
  EXPECT_TRUE(rig.step_until_position(30));
  EXPECT_GT(sent, 3);
}

TEST(LaneShipperRetry, OutageIsProbedByOneRequestAtATimeAndWithoutNewBatches) {
  LaneRig rig(options_with(4));
  rig.lane.add_events(1000);
  rig.step();
  ASSERT_EQ(rig.transport.in_flight.size(), 4U);
  for (std::uint64_t id = 1; id <= 4; ++id) rig.transport.answer(id, network_failure(true));
  rig.step();
  ASSERT_TRUE(rig.transport.in_flight.empty());

  std::size_t in_flight_max = 0;
  rig.transport.responder = [&](const auto&) {
    in_flight_max = std::max(in_flight_max, rig.transport.in_flight.size());
    return network_failure(false);
  };
  rig.step(300);
  EXPECT_EQ(in_flight_max, 1U);
  EXPECT_EQ(rig.lane.records_read, 40U);
  EXPECT_EQ(rig.observer.healed, 0);
  EXPECT_EQ(rig.observer.failures.size(), rig.transport.sent.size());
}

TEST(LaneShipperRetry, ManyFailuresAtTheBeginningOfAnOutageCountOnce) {
  LaneRig rig(options_with(4));
  rig.lane.add_events(40);
  rig.step();
  for (std::uint64_t id = 1; id <= 4; ++id) rig.transport.answer(id, network_failure(false));
  rig.step();
  const auto failed_at = rig.clock.monotonic();
  while (rig.transport.sent.size() == 4) rig.step();
  // The first wait of decorrelated jitter is at most three times the minimum.
  EXPECT_LE(rig.transport.sent.back().at - failed_at, 3 * rig.options.retry_min);
}

TEST(LaneShipperRetry, EverythingFlowsAgainAfterTheFirstSuccess) {
  LaneRig rig(options_with(4));
  rig.lane.add_events(400);
  bool is_up = false;
  rig.transport.responder = [&](const auto&) {
    return is_up ? status(200) : network_failure(false);
  };
  rig.step(100);
  is_up = true;
  ASSERT_TRUE(rig.step_until_position(400, 300));
  EXPECT_GE(rig.observer.healed, 1);
  EXPECT_EQ(rig.transport.in_flight_max, 4U);
}

TEST(LaneShipperRetry, RetryAfterIsHonouredAndCapped) {
  for (const auto& [asked, expected] :
       {std::pair{seconds(90), seconds(90)}, std::pair{seconds(86'400), seconds(300)}}) {
    LaneRig rig(options_with(1));
    rig.lane.add_events(1);
    rig.transport.responder = [&](const auto&) {
      auto answer = status(429);
      answer.retry_after = asked;
      return answer;
    };
    rig.step();
    while (rig.transport.sent.size() < 2) rig.step();
    EXPECT_EQ(rig.transport.sent[1].at - rig.transport.sent[0].at, expected);
  }
}

TEST(LaneShipperRetry, ConfigurationErrorHoldsTheLaneAndSetsNothingAside) {
  for (const int code : {401, 403, 404, 405}) {
    LaneRig rig(options_with(4));
    rig.lane.add_events(100);
    rig.transport.responder = [&](const auto&) { return status(code); };
    rig.step(200);
    EXPECT_TRUE(rig.store.letters.empty());
    EXPECT_EQ(rig.store.progress().position, 0U);
    const auto& sent = rig.transport.sent;
    ASSERT_GE(sent.size(), 6U);
    EXPECT_GE(sent[5].at - sent[4].at, rig.options.retry_max);
    EXPECT_THAT(rig.observer.failures.front(), ::testing::HasSubstr("nothing is set aside"));

    rig.transport.responder = [](const auto&) { return status(200); };
    EXPECT_TRUE(rig.step_until_position(100, 200));
  }
}

TEST(LaneShipperRetry, BatchThatAloneFailsForEverDoesNotHoldUpTheOthers) {
  LaneRig rig(options_with(3));
  rig.lane.add_events(2000);
  int attempts = 0;
  bool may_answer = true;  // one answer a step, so that the failure is not always seen with others
  rig.transport.responder = [&](const auto& request) -> std::optional<fluentd::Answer> {
    if (!std::exchange(may_answer, false)) return std::nullopt;
    const bool fails = event_numbers(request.body).front() == 11;
    attempts += fails ? 1 : 0;
    return status(fails ? 503 : 200);
  };
  const auto begin = rig.clock.monotonic();
  for (int i = 0; i < 5000 && !rig.store.has(2000); ++i) {
    may_answer = true;
    rig.step();
  }
  EXPECT_EQ(rig.store.progress().position, 10U);
  EXPECT_THAT(rig.store.progress().completed, ::testing::ElementsAre(queue::SeqRange{21, 2000}));
  EXPECT_LT(rig.clock.monotonic() - begin, seconds(10));
  EXPECT_LE(attempts, 10);
  EXPECT_TRUE(rig.store.letters.empty());

  const int healed_before = rig.observer.healed;
  rig.transport.responder = [](const auto&) { return status(200); };
  EXPECT_TRUE(rig.step_until_position(2000, 200));
  EXPECT_GT(rig.observer.healed, healed_before);
}

TEST(LaneShipperRetry, ProbesTakeTurnsSoThatOneBatchCannotStandForAll) {
  LaneRig rig(options_with(2));
  rig.lane.add_events(400);
  int second_batch_tries = 0;
  rig.transport.responder = [&](const auto& request) {
    const int first = event_numbers(request.body).front();
    if (first == 1) return status(503);
    return status(first == 11 && ++second_batch_tries == 1 ? 503 : 200);
  };
  for (int i = 0; i < 500 && !rig.store.has(400); ++i) rig.step();
  EXPECT_THAT(rig.store.progress().completed, ::testing::ElementsAre(queue::SeqRange{11, 400}));
}

TEST(LaneShipperRetry, FailingBatchThatIsAloneDoesNotHideThatTheSinkTakesOthers) {
  LaneRig rig(options_with(3));
  rig.lane.add_events(10);
  rig.transport.responder = [](const auto& request) {
    return status(event_numbers(request.body).front() == 1 ? 503 : 200);
  };
  rig.step(20);
  rig.lane.add_events(990);
  for (int i = 0; i < 2000 && !rig.store.has(1000); ++i) rig.step();
  EXPECT_THAT(rig.store.progress().completed, ::testing::ElementsAre(queue::SeqRange{11, 1000}));
}

TEST(LaneShipperRetry, EventsSentAgainAfterAnUnknownOutcomeAreCountedOnce) {
  LaneRig rig(options_with(1));
  rig.lane.add_events(10);
  int turn = 0;
  rig.transport.responder = [&](const auto&) {
    ++turn;
    if (turn == 1) return network_failure(true);   // perhaps stored
    if (turn == 2) return network_failure(false);  // nothing was sent
    return status(200);
  };
  while (rig.counters.requests_failed < 2) rig.step();
  EXPECT_EQ(rig.counters.resent_unknown, 0U);
  ASSERT_TRUE(rig.step_until_position(10));
  EXPECT_EQ(rig.counters.resent_unknown, 10U);
  EXPECT_EQ(rig.counters.requests_failed, 2U);
}

TEST(LaneShipperRetry, EventsSentAgainAfterAServerErrorMayHaveBeenStored) {
  LaneRig rig(options_with(1));
  rig.lane.add_events(10);
  int turn = 0;
  rig.transport.responder = [&](const auto&) { return status(++turn <= 2 ? 500 : 200); };
  ASSERT_TRUE(rig.step_until_position(10));
  EXPECT_EQ(rig.counters.resent_unknown, 20U);
}

TEST(LaneShipperRetry, EventsSentAgainAfterARefusalCannotBeDuplicates) {
  LaneRig rig(options_with(1));
  rig.lane.add_events(10);
  int turn = 0;
  rig.transport.responder = [&](const auto&) { return status(++turn <= 2 ? 429 : 200); };
  ASSERT_TRUE(rig.step_until_position(10));
  EXPECT_EQ(rig.counters.resent_unknown, 0U);
}

TEST(LaneShipperRetry, HiddenResendsAreCountedApart) {
  LaneRig rig(options_with(1));
  rig.lane.add_events(10);
  rig.transport.responder = [&](const auto&) {
    auto answer = status(200);
    answer.hidden_resends = 2;
    return answer;
  };
  ASSERT_TRUE(rig.step_until_position(10));
  EXPECT_EQ(rig.counters.resent_hidden, 20U);
  EXPECT_EQ(rig.counters.resent_unknown, 0U);
}

}  // namespace
}  // namespace sluice::shipper
