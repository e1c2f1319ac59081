#include "common/repeated_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/common/fake_clock.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class RepeatedMessageTest : public testing::Test {
 protected:
  // What was logged since the last call.
  std::vector<std::string> logged() { return std::exchange(lines_, {}); }

  FakeClock clock_;
  std::vector<std::string> lines_;
  std::vector<std::uint64_t> counts_;
  std::vector<std::string> causes_;
  static constexpr MessageKind kKind{"events-wait", LogLevel::kWarn, "0123", "look"};
  RepeatedMessage message_{
      kKind, "Fluentd takes no events", clock_, [this](const LogEntry& entry) {
        const bool is_warning = entry.kind.level == LogLevel::kWarn;
        lines_.push_back((is_warning ? "warn " : "info ") + std::string(entry.message));
        counts_.push_back(entry.fields.count.value_or(0));
        causes_.emplace_back(entry.fields.cause);
      }};
};

TEST_F(RepeatedMessageTest, TheSameFailureIsLoggedOnceAndThenCounted) {
  for (int i = 0; i < 60; ++i) {
    message_.failed("refused");
    clock_.advance(milliseconds(1'000));
  }
  EXPECT_THAT(logged(), ElementsAre("warn Fluentd takes no events: refused"));
  message_.failed("refused");
  EXPECT_THAT(logged(), ElementsAre("warn Fluentd takes no events: refused (61 times in 1m)"));
}

TEST_F(RepeatedMessageTest, SumsUpAfterAMinuteThenTwoFourAndEightMore) {
  for (int i = 0; i <= 15 * 60; ++i) {
    message_.failed("refused");
    clock_.advance(milliseconds(1'000));
  }
  EXPECT_THAT(logged(), ElementsAre("warn Fluentd takes no events: refused",
                                    "warn Fluentd takes no events: refused (61 times in 1m)",
                                    "warn Fluentd takes no events: refused (181 times in 3m)",
                                    "warn Fluentd takes no events: refused (421 times in 7m)",
                                    "warn Fluentd takes no events: refused (901 times in 15m)"));
}

TEST_F(RepeatedMessageTest, AnOutageOfDaysIsAboutALineAnHourAndOneAtItsEnd) {
  constexpr int kDays = 3;
  constexpr int kTries = kDays * 24 * 3'600 / 10;
  for (int i = 0; i < kTries; ++i) {
    message_.failed("refused");
    clock_.advance(milliseconds(10'000));
  }
  EXPECT_LE(logged().size(), kDays * 24u + 7u);
  message_.succeeded();
  EXPECT_THAT(logged(),
              ElementsAre("info Fluentd takes no events: this is over after 3d, 25920 times"));
  EXPECT_EQ(counts_.back(), std::uint64_t{kTries});
  EXPECT_EQ(causes_.back(), "events-wait");
}

TEST_F(RepeatedMessageTest, AnOutageOfDaysWithEverOtherReasonsIsBoundedToo) {
  for (int i = 0; i < 2 * 24 * 360; ++i) {
    message_.failed("request " + std::to_string(i));
    clock_.advance(milliseconds(10'000));
  }
  EXPECT_LE(logged().size(), (2 * 24u + 7u) * RepeatedMessage::kTextsMax);
}

TEST_F(RepeatedMessageTest, WhatComesAndGoesIsToldAsOneTroubleAndItsEndNoMoreOftenThanItself) {
  for (int i = 0; i < 6 * 3'600; ++i) {
    message_.failed("refused");
    message_.succeeded();
    clock_.advance(milliseconds(1'000));
  }
  const auto lines = logged();
  EXPECT_LE(lines.size(), 2 * (6u + 7u));
  EXPECT_THAT(lines.back(), testing::HasSubstr("this is over after"));
}

TEST_F(RepeatedMessageTest, ADetailIsToldAndMakesNoNewReason) {
  for (int i = 1; i <= 61; ++i) {
    message_.failed("refused", {.sequence = 7}, "event " + std::to_string(i));
    clock_.advance(milliseconds(1'000));
  }
  EXPECT_THAT(logged(),
              ElementsAre("warn Fluentd takes no events: refused (event 1)",
                          "warn Fluentd takes no events: refused (event 61; 61 times in 1m)"));
}

TEST_F(RepeatedMessageTest, ANewTextIsLoggedAtOnce) {
  message_.failed("refused");
  message_.failed("timeout");
  EXPECT_THAT(logged(), ElementsAre("warn Fluentd takes no events: refused",
                                    "warn Fluentd takes no events: timeout"));
}

TEST_F(RepeatedMessageTest, TextsThatAlternateOrNeverRepeatDoNotFillTheLog) {
  for (int i = 0; i < 1000; ++i) message_.failed(i % 2 == 0 ? "refused" : "timeout");
  EXPECT_EQ(logged().size(), 2u);
  for (int i = 0; i < 1000; ++i) message_.failed("port " + std::to_string(i));
  EXPECT_EQ(logged().size(), RepeatedMessage::kTextsMax - 2);
}

TEST_F(RepeatedMessageTest, TheEndIsLoggedOnceWithDurationAndCount) {
  message_.succeeded();
  EXPECT_THAT(logged(), IsEmpty());
  for (int i = 0; i < 212; ++i) message_.failed("refused");
  clock_.advance(milliseconds(41 * 60'000));
  logged();
  message_.succeeded();
  message_.succeeded();
  EXPECT_THAT(logged(),
              ElementsAre("info Fluentd takes no events: this is over after 41m, 212 times"));
}

TEST_F(RepeatedMessageTest, AFailureAfterTheEndIsANewOne) {
  message_.failed("refused");
  message_.succeeded();
  clock_.advance(RepeatedMessage::kSettled);
  message_.failed("refused");
  message_.succeeded();
  EXPECT_THAT(logged(),
              ElementsAre("warn Fluentd takes no events: refused",
                          "info Fluentd takes no events: this is over after 0ms, 1 time",
                          "warn Fluentd takes no events: refused",
                          "info Fluentd takes no events: this is over after 0ms, 1 time"));
}

TEST_F(RepeatedMessageTest, CountsAcrossThreads) {
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([this] {
        for (int n = 0; n < 250; ++n) message_.failed("refused");
      });
    }
  }
  message_.succeeded();
  EXPECT_THAT(logged(),
              ElementsAre("warn Fluentd takes no events: refused",
                          "info Fluentd takes no events: this is over after 0ms, 1000 times"));
}

}  // namespace
}  // namespace sluice
