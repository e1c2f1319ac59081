#include "shipper/expiry_watch.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/common/fake_clock.h"

namespace sluice::shipper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kDay = 86'400;

class ExpiryWatchTest : public testing::Test {
 protected:
  // One that began at the clock's start and lives so many days from now on.
  fluentd::CertificateTimes ending_in(std::int64_t seconds, std::int64_t life) const {
    const std::int64_t end = clock_.now().seconds + seconds;
    return {.not_before = {.seconds = end - life}, .not_after = {.seconds = end}};
  }
  std::vector<std::string> look() {
    lines_.clear();
    watch_.look();
    return lines_;
  }

  FakeClock clock_;
  std::vector<std::string> lines_;
  ExpiryWatch watch_{
      &clock_, [this](const LogEntry& entry) {
        const bool is_error = entry.kind.level == LogLevel::kError;
        lines_.push_back(fmt::format("{} {}", is_error ? "error" : "warn", entry.message));
      }};
};

TEST_F(ExpiryWatchTest, WarnsThirtySevenAndOneDayBeforeAndAtTheEndOnceEach) {
  watch_.seen("client", "the client certificate c", ending_in(31 * kDay, 365 * kDay));
  EXPECT_THAT(look(), IsEmpty());
  const std::vector<std::pair<int, std::string>> steps = {
      {48, "ends in 29d"}, {23 * 24, "ends in 6d"}, {132, "ends in 12h"}, {24, "expired at"}};
  for (const auto& [hours, said] : steps) {
    clock_.advance(std::chrono::hours(hours));
    EXPECT_THAT(look(), ElementsAre(testing::AllOf(HasSubstr("certificate c"), HasSubstr(said))));
    EXPECT_THAT(look(), IsEmpty());
  }
}

TEST_F(ExpiryWatchTest, OneThatIsFoundLateIsToldOfOnceOnly) {
  watch_.seen("client", "c", ending_in(3600, 365 * kDay));
  EXPECT_THAT(look(), ElementsAre(HasSubstr("warn c ends in 1h")));
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(ExpiryWatchTest, AnExpiredOneIsAnError) {
  watch_.seen("server", "s", ending_in(-1, 365 * kDay));
  EXPECT_THAT(look(), ElementsAre(HasSubstr("error s expired at")));
}

TEST_F(ExpiryWatchTest, ARenewedOneIsWatchedAnew) {
  watch_.seen("client", "c", ending_in(2 * kDay, 365 * kDay));
  EXPECT_EQ(look().size(), 1U);
  watch_.seen("client", "c", ending_in(200 * kDay, 365 * kDay));
  EXPECT_THAT(look(), IsEmpty());
  watch_.seen("client", "c", ending_in(6 * kDay, 365 * kDay));
  EXPECT_EQ(look().size(), 1U);
}

TEST_F(ExpiryWatchTest, ShortLivedOnesAreNotWarnedOfWhileTheyAreFresh) {
  watch_.seen("client", "c", ending_in(3600, 3600));
  EXPECT_THAT(look(), IsEmpty());
  clock_.advance(std::chrono::minutes(55));
  EXPECT_THAT(look(), ElementsAre(HasSubstr("ends in 5m")));
  watch_.seen("server", "s", ending_in(20 * kDay, 40 * kDay));
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(ExpiryWatchTest, ServersThatTakeTurnsAreEachToldOfOnce) {
  const auto soon = ending_in(3 * kDay, 365 * kDay);
  const auto sooner = ending_in(2 * kDay, 365 * kDay);
  std::size_t told = 0;
  for (int i = 0; i < 6; ++i) {
    watch_.seen("server", "s", i % 2 == 0 ? soon : sooner);
    told += look().size();
  }
  EXPECT_EQ(told, 2U);
}

TEST_F(ExpiryWatchTest, ReportsWhatItKnows) {
  watch_.seen("server", "s", {.not_before = {}, .not_after = {.seconds = 100}});
  watch_.seen("client", "c", {.not_before = {}, .not_after = {.seconds = 200}});
  EXPECT_THAT(watch_.certificates(),
              ElementsAre(queue::SinkReport::Certificate{"client", 200'000},
                          queue::SinkReport::Certificate{"server", 100'000}));
}

}  // namespace
}  // namespace sluice::shipper
