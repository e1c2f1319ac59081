#include "shipper/adaptive_limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = SendSample::Outcome;

// A sink with a number of workers that take time for each request and each event, at the end of a
// link that takes time for each round trip; and a lane that always has more to send. Its time
// begins at 0 and is in microseconds.
struct SimulatedSink {
  std::int64_t event_us = 42;
  std::int64_t request_us = 200;
  std::int64_t round_trip_us = 1000;
  std::int64_t late_us = 0;  // every answer, whatever else is under way
  std::size_t workers = 1;
  std::int64_t time_limit_us = 30'000'000;
  std::int64_t pause_us = 0;  // of the whole sink
  std::size_t pause_every = 0;
};

struct Stretch {
  std::uint64_t events = 0;
  std::size_t changes = 0;  // of the limits
  double round_trip_ms = 0;
  double rate = 0;  // events a second
};

class Simulation {
 public:
  Simulation(const SimulatedSink& simulated, AdaptiveLimits* limits)
      : sink(simulated), limits_(limits) {}

  Stretch run(milliseconds duration) {
    const std::int64_t end = now_us_ + 1000 * duration.count();
    Stretch stretch;
    std::uint64_t answers = 0;
    while (true) {
      send();
      const auto next = std::ranges::min_element(flights_, {}, &Flight::answered_us);
      if (next->answered_us > end) break;
      const Flight flight = *next;
      flights_.erase(next);
      now_us_ = flight.answered_us;
      const auto before = limits_->limits();
      limits_->answered(flight.sample, milliseconds(now_us_ / 1000));
      const auto& after = limits_->limits();
      const bool changed = before.events != after.events || before.requests != after.requests;
      stretch.changes += changed ? 1 : 0;
      if (flight.sample.outcome != Outcome::kAccepted) continue;
      stretch.events += flight.sample.events;
      stretch.round_trip_ms += static_cast<double>(flight.sample.round_trip.count());
      ++answers;
    }
    now_us_ = end;
    stretch.round_trip_ms /= static_cast<double>(std::max<std::uint64_t>(answers, 1));
    stretch.rate =
        1000.0 * static_cast<double>(stretch.events) / static_cast<double>(duration.count());
    return stretch;
  }

  SimulatedSink sink;

 private:
  struct Flight {
    std::int64_t answered_us = 0;
    SendSample sample;
  };

  void send() {
    while (flights_.size() < limits_->limits().requests) {
      free_at_us_.resize(sink.workers, 0);
      const std::size_t events = limits_->limits().events;
      auto worker = std::ranges::min_element(free_at_us_);
      const bool pauses = sink.pause_every != 0 && ++requests_ % sink.pause_every == 0;
      if (pauses) *worker = std::max(*worker, now_us_) + sink.pause_us;
      const std::int64_t began = std::max(*worker, now_us_ + sink.round_trip_us / 2);
      *worker = began + sink.request_us + static_cast<std::int64_t>(events) * sink.event_us;
      const std::int64_t answered = *worker + sink.late_us + sink.round_trip_us / 2;
      const bool in_time = answered - now_us_ <= sink.time_limit_us;
      Flight flight{in_time ? answered : now_us_ + sink.time_limit_us, {}};
      flight.sample = {.events = events,
                       .bytes = 1000 * events,
                       .in_flight = flights_.size() + 1,
                       // As differences of a clock in milliseconds are.
                       .round_trip = milliseconds(flight.answered_us / 1000 - now_us_ / 1000),
                       .outcome = in_time ? Outcome::kAccepted : Outcome::kTimeLimit};
      flights_.push_back(flight);
    }
  }

  AdaptiveLimits* limits_;
  std::int64_t now_us_ = 0;
  std::size_t requests_ = 0;
  std::vector<Flight> flights_;
  std::vector<std::int64_t> free_at_us_;
};

constexpr SendLimits kUsual{.events = 500, .bytes = 512U << 10, .requests = 4};
constexpr SendLimits kGenerous{.events = 10'000, .bytes = 30U << 20, .requests = 64};

double fixed_rate(const SimulatedSink& sink, const SendLimits& max, milliseconds duration) {
  AdaptiveLimits fixed(max, false);
  return Simulation(sink, &fixed).run(duration).rate;
}

TEST(AdaptiveLimits, OnAHealthySinkItIsAsFastAsFixedLimits) {
  for (const std::int64_t round_trip_us : {0, 1000, 25'000, 100'000, 400'000}) {
    for (const std::int64_t event_us : {2, 42, 100}) {
      for (const std::size_t workers : {1U, 4U}) {
        const SimulatedSink sink{
            .event_us = event_us, .round_trip_us = round_trip_us, .workers = workers};
        AdaptiveLimits limits(kUsual);
        const double adaptive = Simulation(sink, &limits).run(seconds(60)).rate;
        EXPECT_GE(adaptive, 0.98 * fixed_rate(sink, kUsual, seconds(60)))
            << round_trip_us << " " << event_us << " " << workers;
      }
    }
  }
}

TEST(AdaptiveLimits, GenerousLimitsAreUsedOnlyAsFarAsTheyHelp) {
  const SimulatedSink fluentd{};
  AdaptiveLimits limits(kGenerous);
  Simulation simulation(fluentd, &limits);
  simulation.run(seconds(60));
  const Stretch settled = simulation.run(seconds(60));
  EXPECT_GE(settled.rate, 0.97 * fixed_rate(fluentd, kGenerous, seconds(60)));
  EXPECT_LE(settled.round_trip_ms, 500);
  EXPECT_LE(limits.limits().events, 1000U);
}

TEST(AdaptiveLimits, LongLinksGetMoreRequestsOrLargerOnes) {
  const SimulatedSink far{.event_us = 2, .round_trip_us = 200'000};
  for (const std::size_t connections : {1U, 64U}) {
    SendLimits max = kGenerous;
    max.requests = connections;
    AdaptiveLimits limits(max);
    Simulation simulation(far, &limits);
    simulation.run(seconds(60));
    EXPECT_GE(simulation.run(seconds(60)).rate, 0.6 * fixed_rate(far, max, seconds(60)))
        << connections;
    EXPECT_GT(limits.limits().events, 5000U) << connections;
  }
}

TEST(AdaptiveLimits, YieldsWhenTheSinkSlowsAndStillUsesAllThatItHas) {
  AdaptiveLimits limits(kUsual);
  Simulation simulation({}, &limits);
  simulation.run(seconds(10));
  EXPECT_EQ(limits.limits().events, 500U);
  EXPECT_EQ(limits.limits().requests, 4U);
  simulation.sink.event_us = 2000;  // 500 events a second
  simulation.run(seconds(30));
  const Stretch slow = simulation.run(seconds(60));
  EXPECT_LE(slow.round_trip_ms, 1000);
  EXPECT_LT(limits.limits().events * limits.limits().requests, 600U);
  EXPECT_GE(slow.rate, 0.95 * 500);
}

// A smaller batch that waits behind large ones is answered no sooner than they are.
TEST(AdaptiveLimits, BatchesShrinkThoughLargeOnesStillWaitWhenTheSinkSlows) {
  for (const std::size_t requests : {4U, 8U, 16U}) {
    for (const std::int64_t event_us : {12'000, 15'000, 25'000}) {
      for (int quick_ms = 200; quick_ms < 2000; quick_ms += 170) {
        AdaptiveLimits limits({.events = 100, .bytes = 512U << 10, .requests = requests});
        Simulation simulation({}, &limits);
        simulation.run(milliseconds(quick_ms));
        simulation.sink.event_us = event_us;
        simulation.run(seconds(180));
        EXPECT_LE(simulation.run(seconds(60)).round_trip_ms, 1000)
            << requests << " " << event_us << " " << quick_ms;
      }
    }
  }
}

TEST(AdaptiveLimits, TakesBackWhatItYieldedSoonAfterTheSinkRecovers) {
  AdaptiveLimits limits(kUsual);
  Simulation simulation({}, &limits);
  simulation.run(seconds(10));
  simulation.sink.event_us = 4000;
  simulation.run(seconds(120));
  EXPECT_LT(limits.limits().events, 500U);
  simulation.sink.event_us = 42;
  simulation.run(seconds(5));
  EXPECT_EQ(limits.limits().events, 500U);
  EXPECT_GE(limits.limits().requests, 3U);
  EXPECT_GE(simulation.run(seconds(10)).rate, 0.97 * fixed_rate({}, kUsual, seconds(10)));
}

TEST(AdaptiveLimits, DoesNotOscillate) {
  for (const std::int64_t event_us : {20, 42, 500, 1000, 2000, 10'000}) {
    for (const std::int64_t round_trip_us : {1000, 100'000, 600'000}) {
      for (const SendLimits& max : {kUsual, kGenerous}) {
        AdaptiveLimits limits(max);
        Simulation simulation({.event_us = event_us, .round_trip_us = round_trip_us}, &limits);
        simulation.run(seconds(180));
        EXPECT_LE(simulation.run(seconds(120)).changes, 12U)
            << event_us << " " << round_trip_us << " " << max.requests;
      }
    }
  }
}

TEST(AdaptiveLimits, AnswersThatAreLateForAnotherReasonDoNotShrinkBatches) {
  const SimulatedSink late{.event_us = 2, .late_us = 3'000'000, .workers = 8};
  AdaptiveLimits limits(kUsual);
  Simulation simulation(late, &limits);
  simulation.run(seconds(60));
  EXPECT_EQ(limits.limits().events, 500U);
  EXPECT_EQ(limits.limits().requests, 4U);
  EXPECT_GE(simulation.run(seconds(60)).rate, 0.95 * fixed_rate(late, kUsual, seconds(60)));
}

TEST(AdaptiveLimits, ALinkThatGetsLongerIsLearnt) {
  AdaptiveLimits limits(kUsual);
  Simulation simulation({.event_us = 2}, &limits);
  simulation.run(seconds(10));
  simulation.sink.round_trip_us = 450'000;
  simulation.run(seconds(30));
  EXPECT_EQ(limits.limits().requests, 4U);
  EXPECT_EQ(limits.limits().events, 500U);
}

TEST(AdaptiveLimits, ATimeLimitHalvesAndTheWayBackIsShort) {
  AdaptiveLimits limits(kUsual);
  Simulation simulation({.time_limit_us = 2'000'000}, &limits);
  simulation.run(seconds(1));
  simulation.sink.late_us = 1'000'000'000;  // hangs
  simulation.run(seconds(20));
  EXPECT_EQ(limits.limits().events, 1U);
  EXPECT_EQ(limits.limits().requests, 1U);
  simulation.sink.late_us = 0;
  simulation.run(seconds(5));
  EXPECT_EQ(limits.limits().events, 500U);
  EXPECT_EQ(limits.limits().requests, 4U);
}

TEST(AdaptiveLimits, RequestsThatTimeOutTogetherCountOnce) {
  AdaptiveLimits limits(kUsual);
  for (int i = 0; i < 4; ++i) {
    limits.answered({.events = 500,
                     .bytes = 5000,
                     .in_flight = 4,
                     .round_trip = seconds(30),
                     .outcome = Outcome::kTimeLimit},
                    seconds(100));
  }
  EXPECT_EQ(limits.limits().events, 250U);
  EXPECT_EQ(limits.limits().requests, 2U);
}

TEST(AdaptiveLimits, OverloadHalvesRequestsAndLeavesTheirSize) {
  AdaptiveLimits limits(kUsual);
  limits.answered({.events = 500, .bytes = 5000, .in_flight = 4, .outcome = Outcome::kOverloaded},
                  seconds(9));
  EXPECT_EQ(limits.limits().events, 500U);
  EXPECT_EQ(limits.limits().requests, 2U);
}

TEST(AdaptiveLimits, ABodyThatIsTooLargeBoundsTheBytesForAWhile) {
  AdaptiveLimits limits(kUsual);
  const SendSample too_large{.events = 500, .bytes = 400'000, .outcome = Outcome::kTooLarge};
  limits.answered(too_large, seconds(100));
  limits.answered(too_large, seconds(100));
  EXPECT_EQ(limits.limits().bytes, 200'000U);
  EXPECT_EQ(limits.limits().events, 500U);
  SendSample accepted = too_large;
  accepted.outcome = Outcome::kAccepted;
  limits.answered(accepted, seconds(100) + AdaptiveLimits::kBelievedFor - milliseconds(1));
  EXPECT_EQ(limits.limits().bytes, 200'000U);
  limits.answered(accepted, seconds(100) + AdaptiveLimits::kBelievedFor);
  EXPECT_EQ(limits.limits().bytes, kUsual.bytes);
}

TEST(AdaptiveLimits, ABodyThatIsRefusedForItsContentBoundsNothing) {
  AdaptiveLimits limits(kUsual);
  const SendSample accepted{
      .events = 500, .bytes = 400'000, .in_flight = 1, .outcome = Outcome::kAccepted};
  for (const std::size_t bytes : {400'000U, 200'000U, 100'000U, 800U}) {
    limits.answered(accepted, seconds(100));
    limits.answered({.events = 5, .bytes = bytes, .outcome = Outcome::kTooLarge}, seconds(100));
  }
  EXPECT_EQ(limits.limits().bytes, kUsual.bytes);
}

TEST(AdaptiveLimits, ALimitThatIsLoweredIsNoticed) {
  AdaptiveLimits limits(kUsual);
  limits.answered({.events = 500, .bytes = 400'000, .in_flight = 1, .outcome = Outcome::kAccepted},
                  seconds(100));
  for (int i = 0; i < 2; ++i) {
    limits.answered({.events = 500, .bytes = 400'000, .outcome = Outcome::kTooLarge}, seconds(100));
  }
  EXPECT_EQ(limits.limits().bytes, 200'000U);
}

// Pauses of the sink, or of a busy machine.
TEST(AdaptiveLimits, PausesNowAndThenCostNothing) {
  for (const std::size_t every : {10U, 50U}) {
    const SimulatedSink sink{.pause_us = 300'000, .pause_every = every};
    AdaptiveLimits limits(kUsual);
    const double adaptive = Simulation(sink, &limits).run(seconds(120)).rate;
    EXPECT_GE(adaptive, 0.97 * fixed_rate(sink, kUsual, seconds(120))) << every;
  }
}

TEST(AdaptiveLimits, FailuresThatSayNothingOfSpeedChangeNothing) {
  AdaptiveLimits limits(kUsual);
  for (int i = 0; i < 1000; ++i) {
    limits.answered({.events = 500, .round_trip = seconds(20), .outcome = Outcome::kOther},
                    seconds(i));
  }
  EXPECT_EQ(limits.limits().events, 500U);
  EXPECT_EQ(limits.limits().requests, 4U);
}

TEST(AdaptiveLimits, StaysWithinWhatIsConfiguredWhateverHappens) {
  const SendLimits max{.events = 3, .bytes = 1000, .requests = 2};
  AdaptiveLimits limits(max);
  std::uint32_t state = 1;
  for (int i = 0; i < 100'000; ++i) {
    state = state * 1'664'525U + 1'013'904'223U;
    const auto outcome = static_cast<Outcome>((state >> 8U) % 5);
    limits.answered({.events = 1 + (state >> 12U) % 3,
                     .bytes = 1 + (state >> 14U) % 1000,
                     .in_flight = 1 + (state >> 16U) % 2,
                     .round_trip = milliseconds((state >> 18U) % 3000),
                     .outcome = outcome},
                    milliseconds(10 * i));
    const SendLimits& now = limits.limits();
    ASSERT_GE(now.events, 1U);
    ASSERT_LE(now.events, max.events);
    ASSERT_GE(now.bytes, 1U);
    ASSERT_LE(now.bytes, max.bytes);
    ASSERT_GE(now.requests, 1U);
    ASSERT_LE(now.requests, max.requests);
  }
}

TEST(AdaptiveLimits, SwitchedOffTheyAreWhatIsConfigured) {
  AdaptiveLimits limits(kGenerous, false);
  limits.answered({.events = 10'000, .round_trip = seconds(30), .outcome = Outcome::kTimeLimit},
                  seconds(100));
  EXPECT_EQ(limits.limits().events, kGenerous.events);
  EXPECT_EQ(limits.limits().requests, kGenerous.requests);
}

}  // namespace
}  // namespace sluice::shipper
