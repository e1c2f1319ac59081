#include "shipper/lane_shipper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using ::testing::ElementsAre;

LaneOptions options_with(std::size_t connections, std::size_t batch_events) {
  LaneOptions options;
  options.connections = connections;
  options.batch_events = batch_events;
  return options;
}

FakeTransport::Responder always(int code) {
  return [code](const auto&) { return status(code); };
}

TEST(LaneShipper, ShipsEverythingInOrderWithOneConnection) {
  LaneRig rig(options_with(1, 10));
  rig.lane.add_events(95);
  rig.transport.responder = always(200);
  ASSERT_TRUE(rig.step_until_position(95));
  std::vector<int> arrived;
  for (const auto& request : rig.transport.sent) {
    for (const int n : event_numbers(request.body)) arrived.push_back(n);
  }
  ASSERT_EQ(arrived.size(), 95U);
  EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end()));
  EXPECT_EQ(rig.transport.in_flight_max, 1U);
  EXPECT_EQ(rig.transport.sent.size(), 10U);
  EXPECT_EQ(rig.counters.acknowledged, 95U);
}

TEST(LaneShipper, TalliesTheEventsThatAreInFlightAndThoseThatWereAnsweredWithSuccess) {
  LaneRig rig(options_with(3, 10));
  rig.lane.add_events(30);
  rig.step();
  EXPECT_EQ(rig.tally.read().in_flight, 30U);
  rig.transport.answer(1, status(200));
  rig.transport.answer(2, status(503));
  rig.transport.answer(3, network_failure(true));
  rig.step();
  EXPECT_EQ(rig.tally.read().answered, 10U);
  EXPECT_EQ(rig.tally.read().failures, 1U);
  rig.transport.responder = always(200);
  ASSERT_TRUE(rig.step_until_position(30));
  EXPECT_EQ(rig.tally.read().answered, 30U);
  EXPECT_EQ(rig.tally.read().in_flight, 0U);
}

TEST(LaneShipper, WhatIsDroppedAtTheEndIsInFlightNoMore) {
  LaneRig rig(options_with(3, 10));
  rig.lane.add_events(30);
  rig.step();
  ASSERT_TRUE(rig.shipper->finish(std::chrono::milliseconds(0)));
  EXPECT_EQ(rig.tally.read().in_flight, 0U);
  EXPECT_EQ(rig.tally.read().answered, 0U);
}

TEST(LaneShipper, KeepsNoMoreRequestsInFlightThanConnections) {
  LaneRig rig(options_with(3, 10));
  rig.lane.add_events(100);
  rig.step(5);
  EXPECT_EQ(rig.transport.in_flight.size(), 3U);
  EXPECT_EQ(rig.lane.records_read, 30U);
}

TEST(LaneShipper, PositionMovesOnlyOverWhatIsContiguouslyAcknowledged) {
  LaneRig rig(options_with(3, 10));
  rig.lane.add_events(30);
  rig.step();
  ASSERT_EQ(rig.transport.in_flight.size(), 3U);
  rig.transport.answer(2, status(200));
  rig.step();
  EXPECT_EQ(rig.store.progress().position, 0U);
  EXPECT_THAT(rig.store.progress().completed, ElementsAre(queue::SeqRange{11, 20}));
  rig.transport.answer(1, status(200));
  rig.step();
  EXPECT_EQ(rig.store.progress().position, 20U);
  EXPECT_TRUE(rig.store.progress().completed.empty());
}

TEST(LaneShipper, AnswersThatArriveTogetherAreCommittedTogether) {
  LaneRig rig(options_with(4, 10));
  rig.lane.add_events(40);
  rig.step();
  for (std::uint64_t id = 1; id <= 4; ++id) rig.transport.answer(id, status(204));
  rig.step();
  EXPECT_EQ(rig.store.commits, 1U);
  EXPECT_EQ(rig.store.progress().position, 40U);
}

TEST(LaneShipper, WhereCommitsAreSlowAnAnswerWaitsForOthersAsLongAsOneTakes) {
  LaneRig rig(options_with(3, 10));
  rig.lane.add_events(100);
  rig.store.before_commit = [&] { rig.clock.advance(std::chrono::milliseconds(5)); };
  rig.step();
  rig.transport.answer(1, status(200));
  rig.step();  // nothing is known of commits yet
  ASSERT_EQ(rig.store.commits, 1U);
  rig.step();
  ASSERT_EQ(rig.transport.in_flight.size(), 3U);

  rig.transport.answer(2, status(200));
  rig.step();
  EXPECT_EQ(rig.store.commits, 1U);
  rig.clock.advance(std::chrono::milliseconds(2));
  rig.transport.answer(3, status(200));
  rig.step();
  EXPECT_EQ(rig.store.commits, 1U);
  const auto before = rig.clock.monotonic();
  rig.step();  // waits for no longer than that
  EXPECT_EQ(rig.store.commits, 2U);
  EXPECT_EQ(rig.store.progress().position, 30U);
  EXPECT_EQ(rig.clock.monotonic() - before, std::chrono::milliseconds(3 + 5));
}

TEST(LaneShipper, AnAnswerWaitsForNoOthersWhenNoneAreUnderWay) {
  LaneRig rig(options_with(2, 10));
  rig.lane.add_events(20);
  rig.store.before_commit = [&] { rig.clock.advance(std::chrono::milliseconds(5)); };
  rig.step();
  rig.transport.answer(1, status(200));
  rig.step();
  rig.transport.answer(2, status(200));
  rig.step();
  EXPECT_EQ(rig.store.commits, 2U);
}

// The witness has a slot besides those of the connections.
TEST(LaneShipper, WhatWaitsForItsCommitCountsAsInFlightBesideAWitnessToo) {
  LaneRig rig(options_with(2, 1));
  rig.options.adaptive = false;
  rig.lane.add_events(2);
  std::size_t in_flight_at_commit = 0;
  rig.store.before_commit = [&] {
    in_flight_at_commit = rig.transport.in_flight.size();
    rig.clock.advance(std::chrono::milliseconds(5));
  };
  unsigned failures = 0;
  rig.transport.responder = [&](const auto& request) -> std::optional<fluentd::Answer> {
    if (event_numbers(request.body).front() == 1) {
      ++failures;
      return status(500);
    }
    if (failures >= kSuspectAnswersMax) return std::nullopt;
    return status(200);
  };
  // Until the suspect waits, and two others are in flight.
  for (int i = 0; i < 1000 && rig.transport.in_flight.size() < 2; ++i) {
    rig.lane.add_events(1);
    rig.clock.advance(std::chrono::milliseconds(500));
    rig.step();
  }
  ASSERT_EQ(rig.transport.in_flight.size(), 2U);
  ASSERT_NE(event_numbers(rig.transport.in_flight.front().body).front(), 1);
  ASSERT_TRUE(rig.store.letters.empty());
  rig.clock.advance(rig.options.retry_max);
  rig.transport.responder = nullptr;
  rig.transport.answer(rig.transport.in_flight.back().id, status(200));
  const std::size_t commits = rig.store.commits;
  rig.step(2);
  EXPECT_EQ(rig.store.commits, commits + 1);
  EXPECT_EQ(in_flight_at_commit, 1U);
}

TEST(LaneShipper, WhatWaitsForOthersIsCommittedAtTheEnd) {
  LaneRig rig(options_with(2, 10));
  rig.lane.add_events(100);
  rig.store.before_commit = [&] { rig.clock.advance(std::chrono::milliseconds(5)); };
  rig.step();
  rig.transport.answer(1, status(200));
  rig.step(2);
  rig.transport.answer(2, status(200));
  rig.step();
  ASSERT_EQ(rig.store.commits, 1U);
  ASSERT_TRUE(rig.shipper->finish(std::chrono::milliseconds(0)).has_value());
  EXPECT_EQ(rig.store.commits, 2U);
  EXPECT_EQ(rig.store.progress().position, 20U);
}

TEST(LaneShipper, SlotIsFreeOnlyAfterItsCompletionIsCommitted) {
  LaneRig rig(options_with(2, 10));
  rig.lane.add_events(50);
  rig.step();
  ASSERT_EQ(rig.transport.sent.size(), 2U);
  std::size_t sent_before_commit = 0;
  rig.store.before_commit = [&] { sent_before_commit = rig.transport.sent.size(); };
  rig.transport.answer(1, status(200));
  rig.step();
  EXPECT_EQ(sent_before_commit, 2U);
  rig.step();
  EXPECT_EQ(rig.transport.sent.size(), 3U);
}

TEST(LaneShipper, FailedCommitStopsSending) {
  LaneRig rig(options_with(2, 10));
  rig.lane.add_events(50);
  rig.step();
  rig.store.error = Error{ErrorKind::kIo, "cannot write"};
  rig.transport.answer(1, status(200));
  auto& shipper = *rig.shipper;
  const auto done = shipper.step();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().message, "cannot write");

  rig.store.error.reset();
  EXPECT_FALSE(shipper.step().has_value());
  rig.transport.answer(2, status(200));
  EXPECT_TRUE(shipper.finish(std::chrono::seconds(5)).has_value());
  EXPECT_EQ(rig.transport.sent.size(), 2U);
  EXPECT_EQ(rig.store.commits, 0U);
}

TEST(LaneShipper, RestartSendsOnlyWhatWasNotCommitted) {
  LaneRig rig(options_with(3, 10));
  rig.lane.add_events(40);
  rig.step();
  rig.transport.answer(2, status(200));
  rig.step();
  rig.transport.cancel_all();
  rig.transport.sent.clear();

  rig.start();
  rig.transport.responder = always(200);
  ASSERT_TRUE(rig.step_until_position(40));
  std::multiset<int> again;
  for (const auto& request : rig.transport.sent) {
    for (const int n : event_numbers(request.body)) again.insert(n);
  }
  EXPECT_EQ(again.size(), 30U);
  for (int n = 11; n <= 20; ++n) EXPECT_EQ(again.count(n), 0U);
}

TEST(LaneShipper, NeverTwoRequestsOfOneRecordingInFlight) {
  auto options = options_with(4, 5);
  options.lane = queue::Lane::kSession;
  options.urls = {"https://f/session"};
  LaneRig rig(options);
  for (int i = 0; i < 200; ++i) rig.lane.add_events(1, i % 3 == 0 ? "a" : "b");
  std::map<std::string, std::vector<int>> arrived;
  std::size_t turn = 0;
  rig.transport.responder = [&](const auto& request) -> std::optional<fluentd::Answer> {
    std::set<std::string> urls;
    for (const auto& other : rig.transport.in_flight) urls.insert(other.url);
    EXPECT_EQ(urls.size(), rig.transport.in_flight.size());
    // Answers come late and out of order.
    if (++turn % 3 != 0) return std::nullopt;
    for (const int n : event_numbers(request.body)) arrived[request.url].push_back(n);
    return status(200);
  };
  ASSERT_TRUE(rig.step_until_position(200));
  ASSERT_EQ(arrived.size(), 2U);
  for (const auto& [url, numbers] : arrived) {
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end())) << url;
  }
  EXPECT_TRUE(arrived.contains("https://f/session.a.log"));
}

TEST(LaneShipper, RejectsBecomeDeadLettersWithoutARequest) {
  LaneRig rig(options_with(2, 10));
  rig.lane.add(queue::RecordKind::kReject, "raw bytes", "the event cannot be decoded");
  rig.lane.add(queue::RecordKind::kGap, "", "lost with a damaged log");
  rig.lane.add_events(1);
  rig.transport.responder = always(200);
  ASSERT_TRUE(rig.step_until_position(3));
  ASSERT_EQ(rig.store.letters.size(), 1U);
  const auto& letter = rig.store.letters.front();
  EXPECT_EQ(letter.seq, 1U);
  EXPECT_EQ(letter.reason, "the event cannot be decoded");
  EXPECT_EQ(letter.body, "raw bytes");
  EXPECT_EQ(letter.attempts, 0U);
  EXPECT_THAT(rig.store.gaps, ElementsAre(2U));
  EXPECT_THAT(rig.observer.dead_letters, ElementsAre(1U));
  EXPECT_EQ(rig.transport.sent.size(), 1U);
}

TEST(LaneShipper, LongRunOfRejectsIsPassedInBoundedCommits) {
  LaneRig rig(options_with(2, 10));
  for (int i = 0; i < 100; ++i) rig.lane.add(queue::RecordKind::kReject, "raw", "bad");
  const auto begin = rig.clock.monotonic();
  ASSERT_TRUE(rig.step_until_position(100));
  EXPECT_EQ(rig.clock.monotonic(), begin);
  EXPECT_GE(rig.store.commits, 10U);
  EXPECT_TRUE(rig.transport.sent.empty());
}

TEST(LaneShipper, LongRunOfRejectsLeavesTimeForAStopAndForAnswers) {
  LaneRig rig(options_with(2, 1));
  for (int i = 0; i < 100; ++i) rig.lane.add(queue::RecordKind::kReject, "raw", "bad");
  rig.step();
  EXPECT_EQ(rig.store.commits, 1U);
  rig.step();
  EXPECT_EQ(rig.store.commits, 2U);
}

TEST(LaneShipper, FinishCommitsWhatIsAnsweredAndSendsNothing) {
  LaneRig rig(options_with(2, 10));
  rig.lane.add_events(50);
  rig.step();
  rig.transport.answer(1, status(200));
  const auto before = rig.clock.monotonic();
  ASSERT_TRUE(rig.shipper->finish(std::chrono::seconds(5)).has_value());
  EXPECT_EQ(rig.store.progress().position, 10U);
  EXPECT_EQ(rig.transport.sent.size(), 2U);
  EXPECT_EQ(rig.clock.monotonic() - before, std::chrono::seconds(5));
  EXPECT_FALSE(rig.shipper->step().has_value());
}

TEST(LaneShipper, EpochChangeEndsTheLaneButAnswersInFlightAreStillCommitted) {
  LaneRig rig(options_with(2, 10));
  rig.lane.add_events(15);
  rig.step();
  ASSERT_EQ(rig.transport.in_flight.size(), 2U);
  rig.transport.answer(1, status(200));
  rig.lane.error = Error{ErrorKind::kEpochChanged, "reopen"};
  rig.step();
  const auto done = rig.shipper->step();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().kind, ErrorKind::kEpochChanged);
  rig.transport.answer(2, status(200));
  ASSERT_TRUE(rig.shipper->finish(std::chrono::seconds(5)).has_value());
  EXPECT_EQ(rig.store.progress().position, 15U);
}

TEST(LaneShipper, EventsThatArriveLaterAreSent) {
  LaneRig rig(options_with(2, 10));
  rig.transport.responder = always(200);
  rig.step(3);
  EXPECT_TRUE(rig.transport.sent.empty());
  rig.lane.add_events(1);
  ASSERT_TRUE(rig.step_until_position(1, 3));
}

}  // namespace
}  // namespace sluice::shipper
