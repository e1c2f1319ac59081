#include "fetcher/start_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/common/temp_folder.h"
#include "tests/unit/fetcher/steered_clock.h"

namespace sluice::fetcher {
namespace {

using ::testing::HasSubstr;

constexpr Timestamp kNow{1'795'402'721, 0};
constexpr std::int64_t kDaySeconds = 86'400;

class StartTimeTest : public ::testing::Test {
 protected:
  StartTimeTest() {
    queue::WriterOptions options;
    options.paths.root = folder_.path();
    auto opened = queue::Writer::open(options);
    EXPECT_TRUE(opened) << opened.error().message;
    writer_ = std::move(*opened);
  }
  Result<StartTime> settle() { return settle_start_time(config_, clock_, writer_.get()); }
  void put(const std::string& key, const std::string& value) {
    queue::Append append;
    append.put_state(key, value);
    ASSERT_TRUE(writer_->append(append));
  }
  void add_event(queue::Lane lane, const std::string& id, Timestamp time) {
    queue::Append append;
    append.add(lane, queue::RecordView{.kind = queue::RecordKind::kEvent,
                                       .epoch = 0,
                                       .fetched_at_ms = 0,
                                       .time = time,
                                       .id = id,
                                       .type = "t",
                                       .route = {},
                                       .note = {},
                                       .body = "{}"});
    ASSERT_TRUE(writer_->append(append));
  }
  bool has_state(const std::string& key) { return writer_->state(key).value().has_value(); }

  TempFolder folder_;
  SteeredClock clock_{kNow};
  FetcherConfig config_;
  std::unique_ptr<queue::Writer> writer_;
};

TEST_F(StartTimeTest, IsTheTimeOfTheFirstStartAndStaysSo) {
  EXPECT_EQ(settle()->time, kNow);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(settle()->time, kNow);
}

TEST_F(StartTimeTest, IsWhatIsConfiguredAtTheFirstStartOnly) {
  config_.start_time = add_seconds(kNow, -100);
  EXPECT_EQ(settle()->time, add_seconds(kNow, -100));
  config_.start_time = add_seconds(kNow, -200);
  EXPECT_EQ(settle()->time, add_seconds(kNow, -100));
  EXPECT_EQ(settle()->generation, 0U);
}

TEST_F(StartTimeTest, ARestartSaysWhatComesTwiceAndChangesNothingWithoutYes) {
  ASSERT_TRUE(settle());
  add_event(queue::Lane::kAudit, "a", add_seconds(kNow, -5 * kDaySeconds));
  add_event(queue::Lane::kAudit, "b", add_seconds(kNow, -kDaySeconds));
  add_event(queue::Lane::kAudit, "c", kNow);
  add_event(queue::Lane::kSession, "d", kNow);
  put("search", "x");
  config_.restart_from = add_seconds(kNow, -kDaySeconds);
  const auto refused = settle();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(refused.error().message, HasSubstr("(2 audit events, 1 of recordings)"));
  EXPECT_THAT(refused.error().message, HasSubstr("add --yes"));
  EXPECT_TRUE(has_state("search"));
  config_.restart_from.reset();
  EXPECT_EQ(settle()->time, kNow);
}

TEST_F(StartTimeTest, ARestartForgetsWhereTheSourcesWereAndDoesSoOnce) {
  ASSERT_TRUE(settle());
  for (const char* key : {"search", "bulk-first-day", "bulk/2026-11-21/c", "recording-done/s",
                          "recording/t", "backfilled/x"}) {
    put(key, "x");
  }
  config_.restart_from = add_seconds(kNow, -kDaySeconds);
  config_.yes = true;
  const auto again = settle();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->time, add_seconds(kNow, -kDaySeconds));
  EXPECT_EQ(again->generation, 1U);
  EXPECT_FALSE(has_state("search"));
  EXPECT_FALSE(has_state("bulk-first-day"));
  EXPECT_FALSE(has_state("bulk/2026-11-21/c"));
  EXPECT_FALSE(has_state("recording-done/s"));
  EXPECT_TRUE(has_state("recording/t"));
  EXPECT_TRUE(has_state("backfilled/x"));
  EXPECT_EQ(writer_->read_up_to()->time_ms, to_unix_ms(again->time));
  put("search", "further");
  EXPECT_EQ(settle()->generation, 1U);
  EXPECT_TRUE(has_state("search"));
}

TEST_F(StartTimeTest, ARestartAtTheFirstStartIsItsStartTime) {
  config_.restart_from = add_seconds(kNow, -kDaySeconds);
  EXPECT_EQ(settle()->time, add_seconds(kNow, -kDaySeconds));
  EXPECT_EQ(settle()->generation, 0U);
}

TEST_F(StartTimeTest, RefusesAStateThatItHasNotWritten) {
  put("start-time", "yesterday");
  EXPECT_EQ(settle().error().kind, ErrorKind::kCorrupt);
  put("start-time", format_rfc3339(kNow));
  put("id-generation", "one");
  EXPECT_EQ(settle().error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace sluice::fetcher
