// How long a lane that ends waits for the answers under way.
#include "shipper/lane_runner.h"

#include <gtest/gtest.h>

#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::seconds;

// A sink that answers each request after 10 s, and a queue that gets a new epoch, or another end,
// once 20 events are under way. All of it runs on the lane's thread and by a clock that only that
// thread moves.
struct EndingLane {
  explicit EndingLane(ErrorKind kind) {
    rig.options.connections = 3;
    rig.options.batch_events = 10;
    rig.lane.add_events(20);
    rig.lane.error_at_end = Error{kind, "the lane cannot go on"};
  }

  void run(const FinishOptions& finish) {
    auto transport = std::make_unique<FakeTransport>(&rig.clock);
    transport->responder = [this](const auto& request) -> std::optional<fluentd::Answer> {
      if (rig.clock.monotonic() - request.at < seconds(10)) return std::nullopt;
      return status(200);
    };
    const LaneParts parts{.source = &rig.lane,
                          .sink = &rig.store,
                          .transport = nullptr,
                          .observer = &rig.observer,
                          .counters = &rig.counters,
                          .clock = &rig.clock};
    LaneRunner runner(rig.options, parts, {}, std::move(transport), finish, [] {});
    runner.join();
    EXPECT_FALSE(runner.result().has_value());
  }

  LaneRig rig;
};

TEST(LaneRunner, NewEpochWaitsForASlowSinksAnswers) {
  EndingLane lane(ErrorKind::kEpochChanged);
  lane.run({.patience = seconds(31), .hurry = {}});
  EXPECT_EQ(lane.rig.store.progress().position, 20U);
  EXPECT_EQ(lane.rig.counters.resent_unknown, 0U);
}

TEST(LaneRunner, RequestToHurryLeavesASlowSinksAnswersAndCountsThem) {
  EndingLane lane(ErrorKind::kEpochChanged);
  std::stop_source hurry;
  hurry.request_stop();
  lane.run({.patience = seconds(31), .hurry = hurry.get_token()});
  EXPECT_EQ(lane.rig.store.progress().position, 0U);
  EXPECT_EQ(lane.rig.counters.resent_unknown, 20U);
}

TEST(LaneRunner, OtherErrorsDoNotWaitForASlowSink) {
  EndingLane lane(ErrorKind::kCorrupt);
  lane.run({.patience = seconds(31), .hurry = {}});
  EXPECT_EQ(lane.rig.store.progress().position, 0U);
  EXPECT_EQ(lane.rig.counters.resent_unknown, 20U);
}

}  // namespace
}  // namespace sluice::shipper
