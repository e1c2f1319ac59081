#include "shipper/monitor/sink_monitor.h"

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

class SinkMonitorTest : public testing::Test {
 protected:
  SinkMonitorTest() {
    output_.counters = {{"retry_count", 0}, {"write_count", 0}, {"drop_oldest_chunk_count", 0}};
    output_.buffer_space = 100;
  }

  Result<MonitorAnswer> answer() {
    if (problem_) return fail(*problem_);
    Plugin input{.id = "in", .type = "http", .is_input = true, .emit_records = counted_};
    input.counters = {{"emit_records", counted_}};
    return MonitorAnswer{.plugins = {input, output_}, .process_id = 1};
  }

  void look() {
    lines_.clear();
    clock_.advance(std::chrono::seconds(10));
    monitor_.look();
  }
  void ship(std::uint64_t events, std::uint64_t emitted) {
    tally_.sent(events);
    tally_.accepted(events);
    counted_ += emitted;
  }

  FakeClock clock_;
  SinkTally tally_;
  std::uint64_t counted_ = 1000;
  std::optional<Error> problem_;
  Plugin output_{.id = "out", .type = "file"};
  std::vector<std::string> lines_;
  SinkMonitor monitor_{
      {.processes = {{.url = "http://sink:24220", .ask = [this] { return answer(); }}},
       .plugin_ids = {},
       .tally = &tally_,
       .clock = &clock_,
       .sink = [this](const LogEntry& entry) {
         const LogLevel level = entry.kind.level;
         lines_.push_back(fmt::format("{} {}",
                                      level == LogLevel::kError  ? "error"
                                      : level == LogLevel::kWarn ? "warn"
                                                                 : "info",
                                      entry.message));
       }}};
};

TEST_F(SinkMonitorTest, AnHonestSinkIsReportedWithoutAWord) {
  look();
  EXPECT_EQ(monitor_.count().since_ms, 0);
  ship(500, 500);
  look();
  look();
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_NE(monitor_.count().since_ms, 0);
  EXPECT_EQ(monitor_.count().differs_by, 0);
  EXPECT_EQ(monitor_.count().acknowledged, 500U);
  EXPECT_THAT(monitor_.warnings(), IsEmpty());
}

TEST_F(SinkMonitorTest, AShortfallIsAnErrorWithBothNumbersOnce) {
  look();
  ship(500, 400);
  look();
  EXPECT_THAT(lines_, IsEmpty());
  look();
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(lines_[0], testing::AllOf(HasSubstr("error"), HasSubstr("acknowledged 500 events"),
                                        HasSubstr("emitted 400"), HasSubstr("at least 100")));
  EXPECT_EQ(monitor_.count().differs_by, -100);
  EXPECT_THAT(monitor_.warnings(), ElementsAre(HasSubstr("at least 100")));
  look();
  EXPECT_THAT(lines_, IsEmpty());
  ship(50, 0);
  look();
  look();
  EXPECT_THAT(lines_, IsEmpty());
  ship(50, 0);
  look();
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("at least 200")));
}

TEST_F(SinkMonitorTest, WhatWasMissingBeforeAComparisonBeganAnewStaysAWarning) {
  look();
  ship(500, 400);
  look();
  look();
  tally_.sent(1);
  tally_.refused(1, true);
  look();
  EXPECT_THAT(monitor_.warnings(), ElementsAre(HasSubstr("at least 100")));
  look();
  EXPECT_EQ(monitor_.count().differs_by, 0);
  EXPECT_THAT(monitor_.warnings(), ElementsAre(HasSubstr("at least 100")));
  ship(500, 470);
  look();
  look();
  EXPECT_THAT(monitor_.warnings(),
              ElementsAre(HasSubstr("at least 100"), HasSubstr("at least 30")));
}

TEST_F(SinkMonitorTest, AnInputThatNeverCountedIsToldWithBothCauses) {
  counted_ = 0;
  look();
  ship(500, 0);
  look();
  look();
  EXPECT_THAT(lines_, ElementsAre(testing::AllOf(HasSubstr("enable_input_metrics"),
                                                 HasSubstr("drops everything"))));
}

TEST_F(SinkMonitorTest, AnInputThatDoesNotCountThoughOutputsDoIsNoAlarmButCannotBeCompared) {
  counted_ = 0;
  output_.emit_records = 0;
  look();
  ship(500, 0);
  output_.emit_records = 500;
  look();
  look();
  EXPECT_THAT(lines_, ElementsAre(testing::AllOf(HasSubstr("warn"), HasSubstr("@label"),
                                                 HasSubstr("monitor-plugin-id"))));
  EXPECT_THAT(monitor_.count().problem, HasSubstr("@label"));
  EXPECT_THAT(monitor_.warnings(), IsEmpty());
}

TEST_F(SinkMonitorTest, ASinkThatCannotBeAskedIsSaidOnceAndShown) {
  look();
  problem_ = Error{ErrorKind::kUnavailable, "http://sink:24220: connection refused"};
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("connection refused")));
  EXPECT_THAT(monitor_.count().problem, HasSubstr("connection refused"));
  look();
  EXPECT_THAT(lines_, IsEmpty());
  problem_.reset();
  ship(5, 5);
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("this is over")));
  EXPECT_EQ(monitor_.count().problem, "");
  EXPECT_EQ(monitor_.count().acknowledged, 5U);
}

TEST_F(SinkMonitorTest, ABufferThatFillsUpIsAWarningBeforeItOverflows) {
  look();
  output_.buffer_space = 19.9;
  look();
  EXPECT_THAT(lines_, ElementsAre(testing::AllOf(HasSubstr("warn"), HasSubstr("less than 20 %"))));
  EXPECT_THAT(monitor_.warnings(), ElementsAre(HasSubstr("less than 20 %")));
  output_.buffer_space = 22;
  look();
  EXPECT_THAT(lines_, IsEmpty());
  output_.buffer_space = -3;
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("less than 5 %")));
  output_.buffer_space = 80;
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("has room again")));
  EXPECT_THAT(monitor_.warnings(), IsEmpty());
}

TEST_F(SinkMonitorTest, AnOutputThatFailsIsAWarningUntilItWritesAgain) {
  output_.counters["retry_count"] = 7;
  look();
  EXPECT_THAT(lines_, IsEmpty());
  output_.counters["retry_count"] = 8;
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("fails to write")));
  output_.counters["retry_count"] = 9;
  look();
  look();
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_THAT(monitor_.warnings(), ElementsAre(HasSubstr("fails to write")));
  output_.counters["write_count"] = 1;
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("writes again")));
}

TEST_F(SinkMonitorTest, AnOutputThatIsNotThereAnyMoreIsNoWarning) {
  look();
  output_.buffer_space = 3;
  output_.counters["retry_count"] = 1;
  look();
  EXPECT_EQ(monitor_.warnings().size(), 2U);
  // Fluentd makes up ids for what has none, new ones at each start.
  output_ = {.id = "object:2b0", .type = "file"};
  look();
  EXPECT_THAT(monitor_.warnings(), IsEmpty());
}

TEST_F(SinkMonitorTest, ChunksThatAreThrownAwayAreAnError) {
  look();
  output_.counters["drop_oldest_chunk_count"] = 2;
  look();
  EXPECT_THAT(lines_, ElementsAre(testing::AllOf(HasSubstr("error"), HasSubstr("2 chunks"))));
}

}  // namespace
}  // namespace sluice::shipper
