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
  RepeatedMessage message_{
      "Fluentd takes no events", LogLevel::kWarn, clock_,
      [this](LogLevel level, std::string_view line) {
        lines_.push_back((level == LogLevel::kWarn ? "warn " : "info ") + std::string(line));
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

TEST_F(RepeatedMessageTest, SumsUpAtMostOnceAMinute) {
  for (int i = 0; i < 600; ++i) {
    message_.failed("refused");
    clock_.advance(milliseconds(1'000));
  }
  EXPECT_EQ(logged().size(), 10u) << "the first, and one each full minute since";
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
  clock_.advance(milliseconds(3'600'000));
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
