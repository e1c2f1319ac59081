// What a lane does when a person takes events out of it, and when there is no room for dead
// letters.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "shipper/lane_shipper.h"
#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using queue::Seq;
using std::chrono::milliseconds;

// A store from which numbers are taken out, and that has room for so many letters.
class Store final : public CompletionSink {
 public:
  Result<void> commit(queue::Lane /*lane*/, const Finished& finished) override {
    for (const auto& record : finished.acknowledged) ++acknowledged[record->seq];
    for (const auto& [record, letter] : finished.set_aside) letters.insert(record->seq);
    return {};
  }
  std::vector<Seq> taken_out(queue::Lane /*lane*/, std::uint64_t* mark) override {
    if (*mark == taken.size()) return {};
    *mark = taken.size();
    return {taken.begin(), taken.end()};
  }
  std::optional<std::string> no_room_for_letters(queue::Lane /*lane*/,
                                                 std::size_t coming) override {
    if (letters.size() + coming < letters_max) return std::nullopt;
    return "no room";
  }

  std::map<Seq, int> acknowledged;
  std::set<Seq> letters;
  std::set<Seq> taken;
  std::size_t letters_max = 1000;
};

class ByHandTest : public ::testing::Test {
 protected:
  void start(std::size_t connections = 1, std::size_t batch_events = 4,
             std::vector<std::string> urls = {"https://fluentd:8888/test.log"}) {
    LaneOptions options;
    options.urls = std::move(urls);
    options.connections = connections;
    options.batch_events = batch_events;
    const LaneParts parts{.source = &lane_,
                          .sink = &store_,
                          .transport = &transport_,
                          .observer = &observer_,
                          .counters = &counters_,
                          .clock = &clock_,
                          .rate = nullptr};
    shipper_ = std::make_unique<LaneShipper>(options, parts, queue::LaneProgress{});
  }
  void step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      const auto done = shipper_->step();
      ASSERT_TRUE(done) << done.error().message;
    }
  }
  std::vector<int> sent(std::size_t request) const {
    return event_numbers(transport_.sent.at(request).body);
  }
  std::set<Seq> acknowledged() const {
    std::set<Seq> numbers;
    for (const auto& [seq, times] : store_.acknowledged) {
      EXPECT_EQ(times, 1) << seq;
      numbers.insert(seq);
    }
    return numbers;
  }

  FakeClock clock_;
  FakeLane lane_;
  FakeTransport transport_{&clock_};
  Store store_;
  FakeObserver observer_;
  LaneCounters counters_;
  std::unique_ptr<LaneShipper> shipper_;
};

TEST_F(ByHandTest, WhatIsTakenOutBeforeItIsSentIsLeftOut) {
  lane_.add_events(8);
  start();
  store_.taken = {2, 7};
  transport_.responder = [](const auto&) { return status(200); };
  step(4);
  EXPECT_EQ(sent(0), (std::vector<int>{1, 3, 4}));
  EXPECT_EQ(acknowledged(), (std::set<Seq>{1, 3, 4, 5, 6, 8}));
}

TEST_F(ByHandTest, WhatIsTakenOutWhileItWaitsToBeSentAgainIsLeftOutOfItsBatch) {
  lane_.add_events(4);
  start();
  step();
  ASSERT_EQ(sent(0), (std::vector<int>{1, 2, 3, 4}));
  transport_.answer(1, status(503));
  step();
  store_.taken = {3};
  transport_.responder = [](const auto&) { return status(200); };
  step(5);
  ASSERT_EQ(transport_.sent.size(), 2u);
  EXPECT_EQ(sent(1), (std::vector<int>{1, 2, 4}));
  EXPECT_EQ(acknowledged(), (std::set<Seq>{1, 2, 4}));
}

TEST_F(ByHandTest, BatchThatIsTakenOutAsAWholeMakesRoomForTheNext) {
  lane_.add_events(8);
  start();
  step();
  transport_.answer(1, status(503));
  step();
  store_.taken = {1, 2, 3, 4};
  transport_.responder = [](const auto&) { return status(200); };
  step(5);
  EXPECT_EQ(acknowledged(), (std::set<Seq>{5, 6, 7, 8}));
}

TEST_F(ByHandTest, WithNoBatchLeftTheNextOneTriesASinkThatCouldNotBeReached) {
  lane_.add_events(8);
  start();
  step();
  transport_.answer(1, network_failure(false));
  step();
  store_.taken = {1, 2, 3, 4};
  transport_.responder = [](const auto&) { return status(200); };
  step(5);
  EXPECT_EQ(acknowledged(), (std::set<Seq>{5, 6, 7, 8}));
}

TEST_F(ByHandTest, BatchThatWaitsForRoomIsNoReasonToTryASinkThatCouldNotBeReachedNoMore) {
  lane_.add_events(6);
  start(2, 2);
  store_.letters_max = 0;
  transport_.responder = [](const auto& request) {
    const auto numbers = event_numbers(request.body);
    if (numbers.front() == 1) return status(400);
    return numbers.front() == 3 ? network_failure(false) : status(200);
  };
  step(20);
  ASSERT_EQ(acknowledged(), (std::set<Seq>{2}));
  store_.taken = {3, 4};
  step(20);
  EXPECT_EQ(acknowledged(), (std::set<Seq>{2, 5, 6}));
}

TEST_F(ByHandTest, AnAnswerThatWasUnderWayIsHandedOn) {
  lane_.add_events(4);
  start();
  step();
  store_.taken = {3};
  transport_.answer(1, status(200));
  step();
  // What it counts as is for the store to say.
  EXPECT_EQ(acknowledged(), (std::set<Seq>{1, 2, 3, 4}));
}

TEST_F(ByHandTest, RefusalOfABatchFromWhichSomeWasTakenOutSaysNothingOfTheRest) {
  lane_.add_events(2);
  start(1, 2);
  step();
  store_.taken = {1};
  transport_.answer(1, status(400));
  step();
  EXPECT_TRUE(store_.letters.empty());
  transport_.responder = [](const auto&) { return status(200); };
  step(3);
  EXPECT_EQ(acknowledged(), (std::set<Seq>{2}));
  EXPECT_TRUE(store_.letters.empty());
}

TEST_F(ByHandTest, TryOfThePreferredUrlThatSaysNothingIsMadeAgain) {
  lane_.add_events(4);
  start(1, 1, {"https://first/x", "https://second/x"});
  transport_.responder = [](const auto& request) {
    return request.url.starts_with("https://first/") ? network_failure(false) : status(200);
  };
  step(20);
  ASSERT_EQ(acknowledged(), (std::set<Seq>{1, 2, 3, 4}));
  transport_.responder = nullptr;
  clock_.advance(kReturnWaitMin);
  lane_.add_events(1);
  step();
  ASSERT_TRUE(transport_.sent.back().url.starts_with("https://first/"));
  store_.taken = {5};
  transport_.answer(transport_.sent.back().id, status(503));
  step();

  transport_.responder = [](const auto&) { return status(200); };
  clock_.advance(kReturnWaitMax);
  lane_.add_events(2);
  step(5);
  EXPECT_EQ(acknowledged(), (std::set<Seq>{1, 2, 3, 4, 6, 7}));
  EXPECT_EQ(observer_.urls, (std::vector<std::string>{"https://second/x", "https://first/x"}));
}

TEST_F(ByHandTest, RefusedEventThatWasTakenOutIsNoDeadLetter) {
  lane_.add_events(3);
  start(1, 1);
  step();
  store_.taken = {1};
  transport_.answer(1, status(400));
  transport_.responder = [](const auto&) { return status(200); };
  step(5);
  EXPECT_EQ(acknowledged(), (std::set<Seq>{2, 3}));
  EXPECT_TRUE(store_.letters.empty());
}

TEST_F(ByHandTest, WithoutRoomForALetterTheLaneWaitsAndAsksTheSinkNoMore) {
  lane_.add_events(40);
  start(2, 4);
  store_.letters_max = 1;
  transport_.responder = [](const auto& request) {
    for (const int number : event_numbers(request.body)) {
      if (number == 2 || number == 11 || number == 18) return status(400);
    }
    return status(200);
  };
  step(60);
  EXPECT_EQ(store_.letters.size(), 1u);
  EXPECT_FALSE(observer_.failures.empty());
  const std::size_t requests = transport_.sent.size();
  step(60);
  EXPECT_EQ(transport_.sent.size(), requests);
  // With room again, it goes on where it was, and nothing else is set aside or lost.
  store_.letters_max = 1000;
  step(60);
  EXPECT_EQ(store_.letters, (std::set<Seq>{2, 11, 18}));
  EXPECT_EQ(acknowledged().size(), 37u);
}

TEST_F(ByHandTest, RejectsWaitForRoomToo) {
  lane_.add(queue::RecordKind::kReject, "raw", "cannot be decoded");
  lane_.add(queue::RecordKind::kReject, "raw", "cannot be decoded");
  lane_.add_events(3);
  start();
  store_.letters_max = 1;
  transport_.responder = [](const auto&) { return status(200); };
  step(10);
  EXPECT_EQ(store_.letters, (std::set<Seq>{1}));
  store_.letters_max = 2;
  step(10);
  EXPECT_EQ(store_.letters, (std::set<Seq>{1, 2}));
  EXPECT_EQ(acknowledged(), (std::set<Seq>{3, 4, 5}));
}

}  // namespace
}  // namespace sluice::shipper
