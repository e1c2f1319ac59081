// What a lane does with events that the sink will never take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>

#include "shipper/lane_shipper.h"
#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using ::testing::HasSubstr;

LaneOptions options_with(std::size_t connections, std::size_t batch_events) {
  LaneOptions options;
  options.connections = connections;
  options.batch_events = batch_events;
  return options;
}

// Answers `refusal` to a body that has one of `poison`, 200 to all others, and keeps what it took.
struct PickySink {
  std::set<int> poison;
  fluentd::Answer refusal;
  std::multiset<int> taken;

  FakeTransport::Responder responder() {
    return [this](const FakeTransport::Request& request) {
      const auto numbers = event_numbers(request.body);
      for (const int n : numbers) {
        if (poison.contains(n)) return refusal;
      }
      taken.insert(numbers.begin(), numbers.end());
      return status(200);
    };
  }
};

TEST(LaneShipperRefusal, OnePoisonEventAmongAThousandCostsLogarithmicallyManyRequests) {
  LaneRig rig(options_with(2, 500));
  rig.lane.add_events(1000);
  PickySink sink{
      .poison = {333}, .refusal = status(400, "400 Bad Request\ninvalid time"), .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(1000));

  const auto extra = rig.transport.sent.size() - 2;
  EXPECT_LE(extra, static_cast<std::size_t>(2 * std::ceil(std::log2(500))));
  EXPECT_EQ(sink.taken.size(), 999U);
  EXPECT_EQ(std::set<int>(sink.taken.begin(), sink.taken.end()).size(), 999U);
  ASSERT_EQ(rig.store.letters.size(), 1U);
  EXPECT_EQ(rig.store.letters.front().seq, 333U);
}

TEST(LaneShipperRefusal, BatchesOfLinesAreTakenApartAsArraysAre) {
  LaneOptions options = options_with(2, 100);
  options.body = BodyForm::kNdjson;
  LaneRig rig(options);
  rig.lane.add_events(200);
  PickySink sink{.poison = {33, 150}, .refusal = status(400), .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(200));

  EXPECT_EQ(sink.taken.size(), 198U);
  ASSERT_EQ(rig.store.letters.size(), 2U);
  EXPECT_EQ(rig.store.letters[0].seq + rig.store.letters[1].seq, 183U);
  for (const auto& request : rig.transport.sent) EXPECT_TRUE(request.body.starts_with("{\"n\":"));
}

TEST(LaneShipperRefusal, ASingleEventThatIsRefusedIsSetAsideAtOnce) {
  LaneOptions options = options_with(2, 1);
  options.body = BodyForm::kSingle;
  LaneRig rig(options);
  rig.lane.add_events(10);
  PickySink sink{.poison = {3}, .refusal = status(400), .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(10));

  EXPECT_EQ(rig.transport.sent.size(), 10U);
  EXPECT_EQ(rig.transport.sent.front().body, R"({"n":1})");
  EXPECT_EQ(sink.taken.size(), 9U);
  ASSERT_EQ(rig.store.letters.size(), 1U);
  EXPECT_EQ(rig.store.letters.front().seq, 3U);
}

TEST(LaneShipperRefusal, DeadLetterSaysWhatHappened) {
  LaneRig rig(options_with(1, 4));
  rig.lane.add_events(4);
  PickySink sink{
      .poison = {2},
      .refusal = status(400, "400 Bad Request\ninvalid time format" + std::string(900, '!')),
      .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(4));
  ASSERT_EQ(rig.store.letters.size(), 1U);
  const auto& letter = rig.store.letters.front();
  EXPECT_EQ(letter.id, "id-2");
  EXPECT_EQ(letter.body, R"({"n":2})");
  EXPECT_EQ(letter.status, 400U);
  EXPECT_THAT(letter.reason, HasSubstr("answered 400 \"400 Bad Request invalid time format"));
  EXPECT_EQ(letter.answer.size(), kDeadLetterAnswerBytesMax);
  EXPECT_EQ(letter.attempts, 3U);
  EXPECT_GT(letter.first_at_ms, 1'700'000'000'000);
  EXPECT_GE(letter.last_at_ms, letter.first_at_ms);
}

TEST(LaneShipperRefusal, AllPoisonedEventsAreFoundAndNoOther) {
  LaneRig rig(options_with(3, 64));
  rig.lane.add_events(640);
  PickySink sink{.poison = {1, 2, 64, 65, 300, 640}, .refusal = status(422), .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(640));
  std::set<int> dead;
  for (const auto& letter : rig.store.letters) dead.insert(static_cast<int>(letter.seq));
  EXPECT_EQ(dead, sink.poison);
  EXPECT_EQ(sink.taken.size(), 634U);
}

TEST(LaneShipperRefusal, OrderIsKeptWhileABatchIsTakenApart) {
  LaneRig rig(options_with(1, 100));
  rig.lane.add_events(300);
  PickySink sink{.poison = {120}, .refusal = status(400), .taken = {}};
  std::vector<int> arrived;
  const auto picky = sink.responder();
  rig.transport.responder = [&](const auto& request) {
    auto answer = *picky(request);
    if (answer.status == 200) {
      for (const int n : event_numbers(request.body)) arrived.push_back(n);
    }
    return answer;
  };
  ASSERT_TRUE(rig.step_until_position(300));
  EXPECT_EQ(arrived.size(), 299U);
  EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end()));
}

TEST(LaneShipperRefusal, TooLargeBodiesAreHalvedUntilTheyFit) {
  LaneRig rig(options_with(2, 100));
  rig.lane.add_events(200);
  rig.transport.responder = [](const auto& request) {
    return status(event_numbers(request.body).size() > 30 ? 413 : 200);
  };
  ASSERT_TRUE(rig.step_until_position(200));
  EXPECT_TRUE(rig.store.letters.empty());
  EXPECT_EQ(rig.transport.sent.size(), 2U * (1 + 2 + 4));
}

TEST(LaneShipperRefusal, SingleEventThatIsTooLargeBecomesADeadLetter) {
  LaneRig rig(options_with(2, 100));
  rig.lane.add_events(10);
  PickySink sink{.poison = {7}, .refusal = status(413, "Too large"), .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(10));
  ASSERT_EQ(rig.store.letters.size(), 1U);
  EXPECT_EQ(rig.store.letters.front().seq, 7U);
  EXPECT_EQ(rig.store.letters.front().status, 413U);
}

TEST(LaneShipperRefusal, RecordAboveTheChunkLimitIsFoundOnceItsErrorStays) {
  LaneRig rig(options_with(2, 100));
  rig.lane.add_events(300);
  PickySink sink{.poison = {150},
                 .refusal = status(500,
                                   "500 Internal Server Error\na 400030 bytes record (nth: 5) is "
                                   "larger than buffer chunk limit size (262144)\n"),
                 .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(300));
  ASSERT_EQ(rig.store.letters.size(), 1U);
  EXPECT_EQ(rig.store.letters.front().seq, 150U);
  EXPECT_GE(rig.store.letters.front().attempts, kChunkLimitTriesMax);
  EXPECT_EQ(sink.taken.size(), 299U);
}

TEST(LaneShipperRefusal, OtherServerErrorsNeverMakeDeadLetters) {
  LaneRig rig(options_with(2, 100));
  rig.lane.add_events(300);
  PickySink sink{
      .poison = {150}, .refusal = status(500, "buffer space has too many data"), .taken = {}};
  rig.transport.responder = sink.responder();
  rig.step(3000);
  EXPECT_TRUE(rig.store.letters.empty());
  EXPECT_EQ(rig.store.progress().position, 100U);
}

TEST(LaneShipperRefusal, SinkThatRefusesEverythingDoesNotEmptyTheLane) {
  for (const auto& [connections, batch_events] : {std::pair{1U, 1U}, {1U, 100U}, {4U, 100U}}) {
    LaneRig rig(options_with(connections, batch_events));
    rig.lane.add_events(2000);
    rig.transport.responder = [](const auto&) { return status(400); };
    rig.step(500);
    EXPECT_EQ(rig.store.letters.size(), kLoneRefusalsMax);
    EXPECT_THAT(rig.observer.failures.back(), HasSubstr("nothing more is set aside"));
    EXPECT_EQ(rig.transport.in_flight_max, connections);
    const auto& sent = rig.transport.sent;
    EXPECT_GE(sent.back().at - sent[sent.size() - 20].at, std::chrono::seconds(30));

    rig.transport.responder = [](const auto&) { return status(200); };
    EXPECT_TRUE(rig.step_until_position(2000, 5000));
    EXPECT_EQ(rig.store.letters.size(), kLoneRefusalsMax);
    EXPECT_GE(rig.observer.healed, 1);
  }
}

TEST(LaneShipperRefusal, PoisonInARowIsSetAsideAsLongAsOtherEventsAreAccepted) {
  for (const std::size_t connections : {1U, 3U}) {
    LaneRig rig(options_with(connections, 50));
    rig.lane.add_events(1000);
    PickySink sink{.poison = {}, .refusal = status(400), .taken = {}};
    for (int n = 1; n <= 20; ++n) sink.poison.insert({n, 480 + n});
    rig.transport.responder = sink.responder();
    ASSERT_TRUE(rig.step_until_position(1000)) << connections;
    EXPECT_EQ(rig.store.letters.size(), 40U);
    EXPECT_EQ(sink.taken.size(), 960U);
  }
}

TEST(LaneShipperRefusal, WholeBatchOfPoisonIsSetAsideOnceALaterBatchIsAccepted) {
  LaneRig rig(options_with(1, 4));
  rig.lane.add_events(40);
  PickySink sink{.poison = {5, 6, 7, 8}, .refusal = status(400), .taken = {}};
  rig.transport.responder = sink.responder();
  ASSERT_TRUE(rig.step_until_position(40));
  EXPECT_EQ(rig.store.letters.size(), 4U);
  EXPECT_EQ(sink.taken.size(), 36U);
  EXPECT_EQ(rig.transport.in_flight_max, 1U);
}

TEST(LaneShipperRefusal, EventThatMakesTheSinkFailIsSetAsideWhileOthersAreAccepted) {
  for (const std::size_t connections : {1U, 3U}) {
    LaneRig rig(options_with(connections, 10));
    rig.lane.add_events(20);
    PickySink sink{.poison = {15}, .refusal = status(500, "undefined method"), .taken = {}};
    rig.transport.responder = sink.responder();
    while (rig.store.letters.empty() && rig.lane.last() < 20'000) {
      rig.lane.add_events(1);
      rig.clock.advance(std::chrono::milliseconds{500});
      rig.step();
    }
    const auto last = rig.lane.last();
    ASSERT_TRUE(rig.step_until_position(last)) << connections;
    ASSERT_EQ(rig.store.letters.size(), 1U);
    EXPECT_EQ(rig.store.letters.front().seq, 15U);
    EXPECT_GT(rig.store.letters.front().attempts, kSuspectAnswersMax);
    EXPECT_EQ(sink.taken.size(), last - 1);
    EXPECT_EQ(rig.transport.in_flight_max, connections);
  }
}

TEST(LaneShipperRefusal, OutageOfServerErrorsNeitherSplitsNorSetsAside) {
  for (const std::size_t connections : {1U, 3U}) {
    LaneRig rig(options_with(connections, 10));
    rig.lane.add_events(200);
    rig.transport.responder = [](const auto& request) {
      EXPECT_EQ(event_numbers(request.body).size(), 10U);
      return status(500, "internal error");
    };
    rig.step(1000);
    EXPECT_GE(rig.transport.sent.size(), 30U);
    EXPECT_TRUE(rig.store.letters.empty());
  }
}

TEST(LaneShipperRefusal, OutagesOfServerErrorsThatComeAndGoMakeNoDeadLetters) {
  for (const std::size_t connections : {1U, 3U}) {
    LaneRig rig(options_with(connections, 10));
    rig.lane.add_events(600);
    int turn = 0;
    rig.transport.responder = [&](const auto&) {
      return status(++turn % 60 < 40 ? 500 : 200, "internal error");
    };
    ASSERT_TRUE(rig.step_until_position(600, 100'000));
    EXPECT_TRUE(rig.store.letters.empty());
  }
}

TEST(LaneShipperSilence, RecordAboveTheChunkLimitIsFoundAndHoldsUpNothing) {
  for (const std::size_t connections : {1U, 3U}) {
    LaneRig rig(options_with(connections, 10));
    rig.lane.add_events(20);
    PickySink sink{.poison = {15}, .refusal = silence(), .taken = {}};
    rig.transport.responder = sink.responder();
    while (rig.store.letters.empty() && rig.lane.last() < 20'000) {
      rig.lane.add_events(1);
      rig.clock.advance(std::chrono::milliseconds{500});
      rig.step();
    }
    const auto last = rig.lane.last();
    ASSERT_TRUE(rig.step_until_position(last)) << connections;
    ASSERT_EQ(rig.store.letters.size(), 1U);
    EXPECT_EQ(rig.store.letters.front().seq, 15U);
    EXPECT_EQ(rig.store.letters.front().reason, "the server closed the connection");
    EXPECT_GT(rig.store.letters.front().attempts, kSuspectAnswersMax);
    EXPECT_EQ(sink.taken.size(), last - 1);
  }
}

TEST(LaneShipperSilence, AsManySuchRecordsAsConnectionsDoNotHoldUpALaneForEver) {
  LaneRig rig(options_with(3, 10));
  rig.lane.add_events(40);
  PickySink sink{.poison = {5, 15, 25}, .refusal = silence(), .taken = {}};
  rig.transport.responder = sink.responder();
  while (rig.store.letters.size() < 3 && rig.lane.last() < 20'000) {
    rig.lane.add_events(1);
    rig.clock.advance(std::chrono::milliseconds{500});
    rig.step();
  }
  EXPECT_EQ(rig.store.letters.size(), 3U);
  ASSERT_TRUE(rig.step_until_position(rig.lane.last()));
  EXPECT_EQ(sink.taken.size(), rig.lane.last() - 3);
}

// Is silent on what has one of `culprits` in it, and stores what is beside that, as Fluentd does.
struct SilentSink {
  std::set<int> culprits;
  std::multiset<int> stored;

  FakeTransport::Responder responder() {
    return [this](const FakeTransport::Request& request) {
      const auto numbers = event_numbers(request.body);
      bool is_silent = false;
      for (const int n : numbers) {
        if (culprits.contains(n)) {
          is_silent = true;
        } else {
          stored.insert(n);
        }
      }
      return is_silent ? silence() : status(200);
    };
  }
};

TEST(LaneShipperSilence,
     WhereNothingElseIsLeftTheRecordIsIsolatedAndItsNeighboursArriveInBoundedCopies) {
  constexpr std::size_t kEvents = 100;
  for (const std::size_t connections : {1U, 3U}) {
    for (const int culprit : {1, 2, 50, 51, 99, 100}) {
      SCOPED_TRACE(culprit);
      LaneRig rig(options_with(connections, kEvents));
      rig.lane.add_events(kEvents);
      SilentSink sink{.culprits = {culprit}, .stored = {}};
      rig.transport.responder = sink.responder();
      rig.step(1000);
      for (std::size_t seq = 1; seq <= kEvents; ++seq) {
        EXPECT_EQ(rig.store.has(seq), seq != static_cast<queue::Seq>(culprit)) << seq;
      }
      EXPECT_LE(sink.stored.size(), (kSuspectAnswersMax + 3) * kEvents);
      // There is no evidence against it yet, and it does no harm: it is retried alone, and loudly.
      EXPECT_TRUE(rig.store.letters.empty());
      const std::size_t copies = sink.stored.size();
      const std::size_t failures = rig.observer.failures.size();
      rig.step(100);
      EXPECT_EQ(sink.stored.size(), copies);
      EXPECT_GT(rig.observer.failures.size(), failures);

      for (int i = 0; i < 1000 && rig.store.letters.empty(); ++i) {
        rig.lane.add_events(1);
        rig.clock.advance(std::chrono::milliseconds{500});
        rig.step();
      }
      ASSERT_EQ(rig.store.letters.size(), 1U);
      EXPECT_EQ(rig.store.letters.front().seq, static_cast<queue::Seq>(culprit));
    }
  }
}

// Nothing tells that from an outage, so the lane waits, loudly; but it does no harm.
TEST(LaneShipperSilence, WhereEachBatchHasSuchARecordItsNeighboursArriveInBoundedCopies) {
  for (const std::size_t connections : {1U, 3U}) {
    LaneRig rig(options_with(connections, 10));
    rig.lane.add_events(60);
    SilentSink sink{.culprits = {3, 15, 21, 35, 46, 60}, .stored = {}};
    rig.transport.responder = sink.responder();
    rig.step(20'000);
    const std::set<int> arrived(sink.stored.begin(), sink.stored.end());
    EXPECT_EQ(arrived.size(), 9 * (connections + 1));
    const std::size_t copies = sink.stored.size();
    EXPECT_LE(copies, 2 * kSilencesOfAllMax * 60);
    const std::size_t failures = rig.observer.failures.size();
    rig.step(1000);
    EXPECT_EQ(sink.stored.size(), copies);
    EXPECT_GT(rig.observer.failures.size(), failures);
  }
}

TEST(LaneShipperSilence, AnOutageSetsNothingAsideAndTakesApartNoMoreThanWhatIsUnderWay) {
  for (const std::size_t connections : {1U, 3U}) {
    LaneRig rig(options_with(connections, 10));
    rig.lane.add_events(200);
    std::map<int, std::size_t> times;  // by event
    rig.transport.responder = [&](const auto& request) {
      for (const int n : event_numbers(request.body)) ++times[n];
      return silence();
    };
    rig.step(1000);
    EXPECT_TRUE(rig.store.letters.empty());
    // What is new to the sink goes whole, so few batches are in pieces after a long outage.
    EXPECT_LE(times.size(), 10 * (connections + 1));
    const auto sent_before = rig.transport.sent.size();
    rig.transport.responder = [](const auto&) { return status(200); };
    ASSERT_TRUE(rig.step_until_position(200));
    EXPECT_TRUE(rig.store.letters.empty());
    EXPECT_LE(rig.transport.sent.size() - sent_before, times.size() + 200 / 10);
  }
}

TEST(LaneShipperSilence, AShortOutageTakesNothingApart) {
  LaneRig rig(options_with(1, 10));
  rig.lane.add_events(20);
  unsigned silences = kSilencesMax - 1;
  rig.transport.responder = [&](const auto& request) {
    EXPECT_EQ(event_numbers(request.body).size(), 10U);
    return silences > 0 ? (--silences, silence()) : status(200);
  };
  ASSERT_TRUE(rig.step_until_position(20));
}

// As a buffer that is full and is emptied too slowly: whoever comes when there is room gets in.
TEST(LaneShipperSilence, ASinkThatTakesABatchNowAndThenMakesNoDeadLetters) {
  for (const unsigned percent_accepted : {5U, 20U, 50U}) {
    for (const std::size_t connections : {1U, 3U}) {
      LaneRig rig(options_with(connections, 10));
      rig.lane.add_events(1000);
      std::minstd_rand dice(percent_accepted);
      rig.transport.responder = [&](const auto&) {
        return dice() % 100 < percent_accepted ? status(200) : silence();
      };
      ASSERT_TRUE(rig.step_until_position(1000, 200'000)) << percent_accepted;
      EXPECT_TRUE(rig.store.letters.empty()) << percent_accepted << " " << connections;
    }
  }
}

}  // namespace
}  // namespace sluice::shipper
