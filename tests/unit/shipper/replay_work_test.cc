// A replay job driven step by step through a lane shipper, with a queue, a sink and a store that
// are fakes.
#include "shipper/replay/replay_work.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using queue::ReplayState;
using queue::Seq;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct ReplayRig {
  ReplayRig() {
    lane.add_events(1000);
    job.id = 14;
    job.spec.numbers = {101, 900};
    job.progress.position = 100;
    job.progress.last = 900;
    options.connections = 1;
    options.batch_events = 50;
    transport.responder = [](const auto&) { return status(200); };
  }

  // Begins, or goes on as a process does that starts anew.
  void start() {
    if (!saved.empty()) job.progress = saved.back();
    lane.numbers_read.clear();
    work = std::make_unique<ReplayWork>(
        job, ReplayWorkParts{
                 .queue = &lane,
                 .save = [this](const queue::ReplayProgress& progress) -> Result<ReplayState> {
                   if (save_error) return fail(*save_error);
                   saved.push_back(progress);
                   return is_cancelled ? ReplayState::kCancelled : progress.state;
                 },
                 .wake = [this] { ++wakes; },
                 .begin = {},
                 .clock = &clock});
    const LaneParts parts{.source = work.get(),
                          .sink = work.get(),
                          .transport = &transport,
                          .observer = &observer,
                          .counters = &counters,
                          .clock = &clock};
    queue::LaneProgress begin;
    begin.position = job.progress.position;
    transport.in_flight.clear();
    shipper = std::make_unique<LaneShipper>(options, parts, begin);
  }

  // The error that ends it.
  ErrorKind run(int steps_max = 10'000) {
    for (int i = 0; i < steps_max; ++i) {
      if (auto done = shipper->step(); !done) {
        EXPECT_TRUE(shipper->finish(seconds(1)));
        return done.error().kind;
      }
      clock.advance(milliseconds(10));
    }
    return ErrorKind::kInternal;
  }

  std::vector<int> sent() const {
    std::vector<int> numbers;
    for (const auto& request : transport.sent) {
      for (const int number : event_numbers(request.body)) numbers.push_back(number);
    }
    return numbers;
  }

  static std::vector<int> range(int first, int last) {
    std::vector<int> numbers;
    for (int i = first; i <= last; ++i) numbers.push_back(i);
    return numbers;
  }

  queue::ReplayJob job;
  LaneOptions options = {.urls = {"https://fluentd:8888/test.log"}};
  FakeClock clock;
  FakeLane lane;
  FakeTransport transport{&clock};
  FakeObserver observer;
  LaneCounters counters;
  std::vector<queue::ReplayProgress> saved;
  std::optional<Error> save_error;
  bool is_cancelled = false;
  int wakes = 0;
  std::unique_ptr<ReplayWork> work;
  std::unique_ptr<LaneShipper> shipper;
};

TEST(ReplayWork, SendsItsRangeOnceInOrderAndEnds) {
  ReplayRig rig;
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.sent(), ReplayRig::range(101, 900));
  EXPECT_EQ(rig.saved.back().state, ReplayState::kDone);
  EXPECT_EQ(rig.saved.back().position, 900u);
  EXPECT_EQ(rig.saved.back().sent, 800u);
}

TEST(ReplayWork, FilterPicksEventsAndBatchesAreFull) {
  ReplayRig rig;
  for (int i = 0; i < 100; ++i)
    rig.job.spec.filter.ids.push_back(fmt::format("id-{}", 200 + i * 5));
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.sent().size(), 100u);
  EXPECT_EQ(rig.transport.sent.size(), 2u);
  EXPECT_EQ(rig.saved.back().position, 900u);
}

TEST(ReplayWork, LongRunWithoutAMatchIsStoppableAndSavesItsProgress) {
  ReplayRig rig;
  const std::string body = fmt::format(R"({{"n":0,"x":"{}"}})", std::string(40'000, 'x'));
  for (int i = 0; i < 1000; ++i) rig.lane.add_event(body);
  rig.job.spec.filter.ids = {"none"};
  rig.job.progress.last = 2000;
  rig.start();
  EXPECT_TRUE(rig.shipper->step());
  EXPECT_EQ(rig.wakes, 1) << "it does not look through everything at once";
  EXPECT_TRUE(rig.saved.empty());
  rig.clock.advance(seconds(2));
  EXPECT_TRUE(rig.shipper->step());
  ASSERT_EQ(rig.saved.size(), 1u);
  EXPECT_GT(rig.saved.back().position, 1000u);
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.saved.back().state, ReplayState::kDone);
  EXPECT_TRUE(rig.transport.sent.empty());
}

TEST(ReplayWork, RestartRepeatsOnlyWhatWasInFlight) {
  ReplayRig rig;
  int answers = 0;
  rig.transport.responder = [&](const auto&) -> std::optional<fluentd::Answer> {
    if (++answers > 5) return std::nullopt;
    return status(200);
  };
  rig.start();
  EXPECT_EQ(rig.run(20), ErrorKind::kInternal);  // still at work
  EXPECT_EQ(rig.saved.back().position, 350u);
  rig.transport.responder = [](const auto&) { return status(200); };
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.sent().size(), 850u) << "a batch is repeated";
  EXPECT_EQ(rig.saved.back().sent, 800u);
}

TEST(ReplayWork, RateIsKept) {
  ReplayRig rig;
  rig.job.spec.rate = 100;
  const auto begin = rig.clock.monotonic();
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.sent(), ReplayRig::range(101, 900));
  std::size_t events = 0;
  for (const auto& request : rig.transport.sent) {
    events += event_numbers(request.body).size();
    EXPECT_LE(static_cast<std::int64_t>(events) * 10, (request.at - begin).count());
  }
  EXPECT_LE(rig.transport.sent.back().at - begin, seconds(10));
}

TEST(ReplayWork, RefusedEventsAreCountedAndDoNotBlock) {
  ReplayRig rig;
  rig.options.lone_refusals_max = 1000;
  rig.transport.responder = [](const auto& request) {
    const auto numbers = event_numbers(request.body);
    const bool is_bad = std::ranges::any_of(numbers, [](int n) { return n >= 400 && n < 420; });
    return is_bad ? status(400, "invalid time") : status(200);
  };
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  const auto& end = rig.saved.back();
  EXPECT_EQ(end.state, ReplayState::kDone);
  EXPECT_EQ(end.sent, 780u);
  EXPECT_EQ(end.refused, 20u);
  EXPECT_EQ(end.refused_numbers.size(), queue::kReplayRefusedShown);
  EXPECT_EQ(end.refused_numbers.front(), 400u);
  EXPECT_NE(end.refusal.find("invalid time"), std::string::npos);
}

TEST(ReplayWork, RejectsAndGapsAreNeverSent) {
  ReplayRig rig;
  rig.lane.add(queue::RecordKind::kReject, "raw", "cannot be decoded");
  rig.lane.add(queue::RecordKind::kGap, "", "lost");
  rig.lane.add_events(1);
  rig.job.spec.numbers = {1001, 1003};
  rig.job.progress.position = 1000;
  rig.job.progress.last = 1003;
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.saved.back().sent, 1u);
}

TEST(ReplayWork, CancelledJobEndsAtItsNextCommit) {
  ReplayRig rig;
  rig.start();
  EXPECT_TRUE(rig.shipper->step());
  rig.is_cancelled = true;
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_LE(rig.sent().size(), 150u);
}

TEST(ReplayWork, TrimmedRangeEndsAsPartialAfterTheAnswersUnderWay) {
  ReplayRig rig;
  rig.lane.add_events(3000);  // more than are read at once
  rig.job.progress.last = 3900;
  rig.start();
  EXPECT_TRUE(rig.shipper->step());
  rig.lane.error = Error{ErrorKind::kTrimmed, "the queue keeps nothing before 5000"};
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  const auto& end = rig.saved.back();
  EXPECT_EQ(end.state, ReplayState::kPartial);
  EXPECT_EQ(end.sent, rig.sent().size());
  EXPECT_NE(end.remark.find("the queue keeps nothing before 5000"), std::string::npos);
}

TEST(ReplayWork, FloorThatIsTakenBackEndsNoJob) {
  ReplayRig rig;
  rig.lane.error = Error{ErrorKind::kTrimmed, "the queue keeps nothing before 5000"};
  rig.start();
  EXPECT_TRUE(rig.shipper->step());
  rig.lane.error.reset();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.saved.back().state, ReplayState::kDone);
  EXPECT_EQ(rig.saved.back().sent, 800u);
}

TEST(ReplayWork, DamageInItsRangeEndsTheJobAlone) {
  ReplayRig rig;
  rig.lane.error = Error{ErrorKind::kCorrupt, "record 101 is damaged"};
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.saved.back().state, ReplayState::kFailed);
  EXPECT_NE(rig.saved.back().remark.find("record 101 is damaged"), std::string::npos);
}

TEST(ReplayWork, NewEpochPausesTheJobAndDoesNotEndIt) {
  ReplayRig rig;
  rig.lane.error = Error{ErrorKind::kEpochChanged, "anew"};
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kEpochChanged);
  EXPECT_TRUE(rig.saved.empty());
  rig.lane.error.reset();
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.saved.back().state, ReplayState::kDone);
}

TEST(ReplayWork, FailedSaveIsTheStoresAffair) {
  ReplayRig rig;
  rig.save_error = Error{ErrorKind::kIo, "the disk"};
  rig.start();
  EXPECT_EQ(rig.run(), ErrorKind::kIo);
}

TEST(ReplayWork, NumbersThatAreNotThereYetAreWaitedFor) {
  ReplayRig rig;
  rig.job.progress.last = 1005;
  rig.start();
  EXPECT_EQ(rig.run(100), ErrorKind::kInternal);
  EXPECT_EQ(rig.saved.back().position, 1000u);
  rig.lane.add_events(10);
  EXPECT_EQ(rig.run(), ErrorKind::kStopped);
  EXPECT_EQ(rig.sent(), ReplayRig::range(101, 1005));
}

}  // namespace
}  // namespace sluice::shipper
