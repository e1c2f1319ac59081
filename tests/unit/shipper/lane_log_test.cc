#include "shipper/lane_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/common/fake_clock.h"

namespace sluice::shipper {
namespace {

using testing::HasSubstr;

class LaneLogTest : public testing::Test {
 protected:
  struct Line {
    std::string kind;
    std::string message;
    std::string lane;
    std::string event_id;
    std::uint64_t count = 0;
  };

  // What was logged since the last call.
  std::vector<Line> logged() { return std::exchange(lines_, {}); }

  static queue::DeadLetter letter(queue::Seq seq, std::string reason) {
    queue::DeadLetter made;
    made.seq = seq;
    made.id = "id-" + std::to_string(seq);
    made.type = "user.login";
    made.reason = std::move(reason);
    return made;
  }

  FakeClock clock_;
  std::vector<Line> lines_;
  LaneLog log_{queue::Lane::kAudit, clock_, [this](const LogEntry& entry) {
                 lines_.push_back({.kind = std::string(entry.kind.name),
                                   .message = std::string(entry.message),
                                   .lane = std::string(entry.fields.lane),
                                   .event_id = std::string(entry.fields.event_id),
                                   .count = entry.fields.count.value_or(0)});
               }};
};

TEST_F(LaneLogTest, ADayWithoutFluentdIsAboutALineAnHourAndItsEndOneLineWithCountAndDuration) {
  constexpr int kTries = 24 * 3'600 / 30;
  for (int i = 0; i < kTries; ++i) {
    log_.on_failure("https://f: cannot connect", nullptr);
    clock_.advance(std::chrono::seconds(30));
  }
  EXPECT_LE(logged().size(), 24u + 7u);
  log_.on_healed();
  const auto end = logged();
  ASSERT_EQ(end.size(), 1u);
  EXPECT_EQ(end[0].kind, "over");
  EXPECT_EQ(end[0].lane, "audit");
  EXPECT_EQ(end[0].count, std::uint64_t{kTries});
  EXPECT_EQ(end[0].message, "lane audit: events wait: this is over after 1d, 2880 times");
}

TEST_F(LaneLogTest, TenThousandDeadLettersForOneReasonAreAFewLines) {
  for (queue::Seq seq = 1; seq <= 10'000; ++seq) {
    log_.on_dead_letter(letter(seq, "https://f: answered 400"));
    clock_.advance(std::chrono::milliseconds(100));
  }
  const auto lines = logged();
  ASSERT_LE(lines.size(), 6u);
  EXPECT_EQ(
      lines[0].message,
      "lane audit: an event is set aside as a dead letter: https://f: answered 400 (event id-1, "
      "number 1, user.login)");
  EXPECT_EQ(lines[0].event_id, "id-1");
  EXPECT_THAT(lines[1].message, HasSubstr("user.login; 601 times in 1m)"));
}

TEST_F(LaneLogTest, EachReasonOfADeadLetterIsTold) {
  log_.on_dead_letter(letter(1, "too large"));
  log_.on_dead_letter(letter(2, "invalid time"));
  const auto lines = logged();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[1].message, HasSubstr("invalid time (event id-2"));
}

TEST_F(LaneLogTest, UrlsThatTakeTurnsAreAFewLines) {
  for (int i = 0; i < 3'600; ++i) {
    log_.on_other_url(i % 2 == 0 ? "https://b" : "https://a", "it failed");
    clock_.advance(std::chrono::seconds(1));
  }
  const auto lines = logged();
  EXPECT_LE(lines.size(), 2u * 7u);
  EXPECT_EQ(lines[0].message, "lane audit: events go to https://b from now on: it failed");
}

}  // namespace
}  // namespace sluice::shipper
