#include "common/time.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace sluice {
namespace {

using std::chrono::milliseconds;

// What Go writes for a time that was never set.
constexpr std::int64_t kGoZeroSeconds = -62'135'596'800;

Timestamp parsed(std::string_view text) {
  const auto time = parse_rfc3339(text);
  EXPECT_TRUE(time) << text;
  return time.value_or(Timestamp{-1, 7});
}

TEST(Rfc3339, ReadsUtcWithUpToNineFractionDigits) {
  EXPECT_EQ(parsed("1970-01-01T00:00:00Z"), (Timestamp{0, 0}));
  EXPECT_EQ(parsed("2026-11-23T02:58:41Z"), (Timestamp{1'795'402'721, 0}));
  EXPECT_EQ(parsed("2026-11-23T02:58:41.1Z"), (Timestamp{1'795'402'721, 100'000'000}));
  EXPECT_EQ(parsed("2026-11-23T02:58:41.123456789Z"), (Timestamp{1'795'402'721, 123'456'789}));
}

TEST(Rfc3339, CutsDigitsPastTheNinth) {
  EXPECT_EQ(parsed("1970-01-01T00:00:00.9999999999Z"), (Timestamp{0, 999'999'999}));
}

TEST(Rfc3339, TakesOffsetsIntoAccountAcrossDays) {
  EXPECT_EQ(parsed("1970-01-01T02:00:00+02:00"), (Timestamp{0, 0}));
  EXPECT_EQ(parsed("1970-01-01T00:30:00+01:00"), (Timestamp{-1'800, 0}));
  EXPECT_EQ(parsed("1969-12-31T18:15:00-05:45"), (Timestamp{0, 0}));
  EXPECT_EQ(parsed("1970-01-01T00:00:00-00:00"), (Timestamp{0, 0}));
}

TEST(Rfc3339, TakesSmallLettersAndABlankAsTheStandardAllows) {
  EXPECT_EQ(parsed("1970-01-01t00:00:01z"), (Timestamp{1, 0}));
  EXPECT_EQ(parsed("1970-01-01 00:00:01Z"), (Timestamp{1, 0}));
}

TEST(Rfc3339, ReadsALeapSecondAsTheFirstSecondOfTheNextMinute) {
  EXPECT_EQ(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01T00:00:00Z"));
}

TEST(Rfc3339, ReadsAndWritesGosZeroTime) {
  EXPECT_EQ(parsed("0001-01-01T00:00:00Z"), (Timestamp{kGoZeroSeconds, 0}));
  EXPECT_EQ(format_rfc3339(Timestamp{kGoZeroSeconds, 0}), "0001-01-01T00:00:00Z");
}

TEST(Rfc3339, KnowsLeapDays) {
  EXPECT_TRUE(parse_rfc3339("2024-02-29T00:00:00Z"));
  EXPECT_TRUE(parse_rfc3339("2000-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2023-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("1900-02-29T00:00:00Z"));
}

TEST(Rfc3339, RefusesWhatIsNotATimeWithAZone) {
  for (const char* text : {"",
                           "2026-11-23",
                           "2026-11-23T02:58:41",
                           "2026-11-23T02:58Z",
                           "2026-11-23T02:58:41.Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-11-31T00:00:00Z",
                           "2026-11-23T24:00:00Z",
                           "2026-11-23T00:60:00Z",
                           "2026-11-23T00:00:61Z",
                           "2026-11-23T00:00:00+0200",
                           "2026-11-23T00:00:00+24:00",
                           "2026-11-23T00:00:00+01:60",
                           "2026-11-23T00:00:00Z ",
                           " 2026-11-23T00:00:00Z",
                           "2026-11-23T00:00:00Zx",
                           "26-11-23T00:00:00Z",
                           "2026-1-23T00:00:00Z",
                           "2026-11-23T-1:00:00Z",
                           "now"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(Rfc3339, SaysWhatWasWrongWithoutRepeatingAllOfIt) {
  const auto time = parse_rfc3339("2026-11-23T02:58:41");
  ASSERT_FALSE(time);
  EXPECT_EQ(time.error().kind, ErrorKind::kRejected);
  EXPECT_EQ(time.error().message,
            "\"2026-11-23T02:58:41\" is not a time with a zone, such as 2026-11-23T02:58:41Z");
  EXPECT_LT(parse_rfc3339(std::string(100'000, 'x')).error().message.size(), 200u);
}

TEST(Rfc3339, WritesAsManyFractionDigitsAsNeeded) {
  EXPECT_EQ(format_rfc3339(Timestamp{0, 0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339(Timestamp{0, 120'000'000}), "1970-01-01T00:00:00.120Z");
  EXPECT_EQ(format_rfc3339(Timestamp{0, 120'000}), "1970-01-01T00:00:00.000120Z");
  EXPECT_EQ(format_rfc3339(Timestamp{0, 1}), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(format_rfc3339(Timestamp{-1, 999'000'000}), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339, WhatIsWrittenReadsBackTheSame) {
  for (const std::int64_t seconds :
       {kGoZeroSeconds, std::int64_t{-86'401}, std::int64_t{-86'400}, std::int64_t{-1},
        std::int64_t{0}, std::int64_t{951'782'400}, std::int64_t{253'402'300'799}}) {
    for (const std::uint32_t nanos : {0U, 1U, 1'000U, 999'000'000U, 999'999'999U}) {
      const Timestamp time{seconds, nanos};
      EXPECT_EQ(parsed(format_rfc3339(time)), time) << format_rfc3339(time);
    }
  }
}

TEST(Days, BeginAtMidnightUtcAlsoBefore1970) {
  EXPECT_EQ(day_of(Timestamp{0, 0}), 0);
  EXPECT_EQ(day_of(Timestamp{86'399, 999'999'999}), 0);
  EXPECT_EQ(day_of(Timestamp{86'400, 0}), 1);
  EXPECT_EQ(day_of(Timestamp{-1, 0}), -1);
  EXPECT_EQ(day_of(Timestamp{-86'400, 0}), -1);
  EXPECT_EQ(day_of(Timestamp{-86'401, 0}), -2);
  EXPECT_EQ(start_of_day(-1), (Timestamp{-86'400, 0}));
  EXPECT_EQ(format_day(day_of(Timestamp{kGoZeroSeconds, 0})), "0001-01-01");
}

TEST(Days, ReadAndWriteTheirDate) {
  EXPECT_EQ(format_day(0), "1970-01-01");
  EXPECT_EQ(format_day(-1), "1969-12-31");
  EXPECT_EQ(parse_day("2026-11-23").value(), 20'780);
  EXPECT_EQ(format_day(20'780), "2026-11-23");
  for (const char* text : {"", "2026-11", "2026-11-23T00:00:00Z", "2026-02-30", "23.11.2026"}) {
    const auto day = parse_day(text);
    ASSERT_FALSE(day) << text;
    EXPECT_EQ(day.error().kind, ErrorKind::kUsage);
  }
  EXPECT_EQ(parse_day("yesterday").error().message,
            "\"yesterday\" is not a day, such as 2026-11-23");
}

TEST(Timestamps, SecondsAreAddedAndMillisecondsConverted) {
  EXPECT_EQ(add_seconds(Timestamp{10, 5}, -11), (Timestamp{-1, 5}));
  EXPECT_EQ(from_unix_ms(-1), (Timestamp{-1, 999'000'000}));
  EXPECT_EQ(to_unix_ms(Timestamp{-1, 999'999'999}), -1);
  for (const std::int64_t ms : {-86'400'001, -1000, -999, -1, 0, 1, 999, 1000, 1'700'000'000}) {
    EXPECT_EQ(to_unix_ms(from_unix_ms(ms)), ms);
  }
}

TEST(Durations, ReadGosNotationAndDays) {
  const auto ms = [](std::string_view text) {
    return parse_duration(text).value_or(milliseconds(-1)).count();
  };
  EXPECT_EQ(ms("0"), 0);
  EXPECT_EQ(ms("0s"), 0);
  EXPECT_EQ(ms("250ms"), 250);
  EXPECT_EQ(ms("5s"), 5'000);
  EXPECT_EQ(ms("1h30m"), 5'400'000);
  EXPECT_EQ(ms("1h0m5s"), 3'605'000);
  EXPECT_EQ(ms("24h"), 86'400'000);
  EXPECT_EQ(ms("7d"), 604'800'000);
  EXPECT_EQ(ms("1.5h"), 5'400'000);
  EXPECT_EQ(ms("1.001s"), 1'001);
  EXPECT_EQ(ms("1500us"), 2);
  EXPECT_EQ(ms("1500µs"), 2);
  EXPECT_EQ(ms("100ns"), 0);
}

TEST(Durations, RefuseWhatIsNotOne) {
  for (const char* text : {"", "5", "s", "5x", "-5s", "5 s", "5s ", "1h30", "nans", "infs", "1e3s",
                           "101000d", "1h-5m", "99999999999999999999h"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().kind, ErrorKind::kConfig);
  }
  EXPECT_EQ(parse_duration("5").error().message,
            "\"5\" is not a duration, such as 500ms, 5s, 1h30m or 7d");
}

TEST(Durations, AreWrittenForPeople) {
  const auto text = [](std::int64_t ms) { return format_duration(milliseconds(ms)); };
  EXPECT_EQ(text(0), "0ms");
  EXPECT_EQ(text(999), "999ms");
  EXPECT_EQ(text(1'000), "1s");
  EXPECT_EQ(text(59'999), "59s");
  EXPECT_EQ(text(60'000), "1m");
  EXPECT_EQ(text(90'000), "1m 30s");
  EXPECT_EQ(text(41 * 60'000 + 5'000), "41m");
  EXPECT_EQ(text(5'400'000), "1h 30m");
  EXPECT_EQ(text(3 * 86'400'000 + 4 * 3'600'000), "3d 4h");
  EXPECT_EQ(text(-1'500), "-1s");
}

TEST(SystemClock, ItsMonotonicTimeDoesNotGoBack) {
  const auto first = system_clock().monotonic();
  EXPECT_GE(system_clock().monotonic(), first);
  EXPECT_GT(system_clock().now(), (Timestamp{1'700'000'000, 0}));
}

}  // namespace
}  // namespace sluice
