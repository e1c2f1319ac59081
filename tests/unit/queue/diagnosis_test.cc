#include "queue/queuectl/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace sluice::queue {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNowMs = 1'800'000'000'000;

class DiagnosisTest : public testing::Test {
 protected:
  DiagnosisTest() {
    snapshot_.taken = from_unix_ms(kNowMs);
    snapshot_.queue_id = Id128::random();
    snapshot_.epoch = 3;
    snapshot_.fetcher = {true, 17, {}};
    snapshot_.shipper = {true, 18, {}};
    snapshot_.read_up_to = ReadUpTo{.time_ms = kNowMs - 12'000, .looked_at_ms = kNowMs - 1'000};
    pages_.fetcher = FetcherPage{.queue_id = snapshot_.queue_id,
                                 .boot_id = "boot",
                                 .epoch = {3, 1},
                                 .durable = {},
                                 .floor = {}};
    pages_.shipper = ShipperPage{.delivery_id = {},
                                 .queue_id = snapshot_.queue_id,
                                 .boot_id = "boot",
                                 .epoch = {3, 1},
                                 .position = {},
                                 .hold = {}};
  }

  std::vector<Finding> run() {
    return diagnose(snapshot_, pages_, {.letter_limits = {}, .boot_id = "boot", .see_all = "sudo"});
  }
  // What is not as it should be.
  std::vector<Finding> bad() {
    auto findings = run();
    std::erase_if(findings, [](const Finding& one) { return one.level == FindingLevel::kOk; });
    return findings;
  }
  void expect_one(FindingLevel level, const std::string& check, const std::string& words) {
    const auto found = bad();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].level, level);
    EXPECT_EQ(found[0].check, check);
    EXPECT_THAT(found[0].text, HasSubstr(words));
  }

  Snapshot snapshot_;
  Pages pages_;
};

TEST_F(DiagnosisTest, FindsNothingWrongWhereAllIsWell) {
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_FALSE(run().empty());
}

TEST_F(DiagnosisTest, FailsForADaemonThatDoesNotRun) {
  snapshot_.shipper = {false, 0, {}};
  expect_one(FindingLevel::kFail, "shipper", "does not run");
  EXPECT_EQ(bad()[0].kind, ErrorKind::kUnavailable);
}

TEST_F(DiagnosisTest, DoesNotJudgeWhatMayNotBeSeen) {
  snapshot_.shipper = {std::nullopt, 0, {}};
  snapshot_.delivery_problem = Error{ErrorKind::kCannotCreate, "cannot open delivery"};
  const auto found = bad();
  ASSERT_EQ(found.size(), 2U);
  for (const Finding& finding : found) {
    EXPECT_EQ(finding.level, FindingLevel::kSkipped);
    EXPECT_EQ(finding.what_to_do, "sudo");
  }
}

TEST_F(DiagnosisTest, FailsForADeliveryStoreThatCannotBeRead) {
  snapshot_.delivery_problem = Error{ErrorKind::kCorrupt, "it is damaged"};
  expect_one(FindingLevel::kFail, "delivery", "damaged");
}

TEST_F(DiagnosisTest, WarnsOfEventsThatHaveWaitedForLong) {
  LaneStatus& audit = snapshot_.lanes[Lane::kAudit];
  audit.backlog = 309'326;
  audit.oldest_ms = kNowMs - 5'000;
  EXPECT_THAT(bad(), IsEmpty()) << "they have only just come";
  audit.oldest_ms = kNowMs - 41 * 60'000;
  expect_one(FindingLevel::kWarn, "audit", "309,326 events wait, the oldest for 41m");
}

TEST_F(DiagnosisTest, FailsForNumbersThatDoNotAddUpAndForDamage) {
  snapshot_.lanes[Lane::kSession].unaccounted = -2;
  expect_one(FindingLevel::kFail, "session", "-2 events are not accounted for");
  snapshot_.lanes[Lane::kSession].unaccounted = 0;
  snapshot_.lanes[Lane::kSession].damage = "record 7 is damaged";
  expect_one(FindingLevel::kFail, "session", "record 7");
}

TEST_F(DiagnosisTest, WarnsWhenTeleportHasNotAnsweredForLong) {
  snapshot_.read_up_to->looked_at_ms = kNowMs - 3'600'000;
  expect_one(FindingLevel::kWarn, "source", "asked 1h ago");
  snapshot_.fetcher = {false, 0, {}};
  EXPECT_EQ(bad().size(), 1U) << "that it does not run is enough";
}

TEST_F(DiagnosisTest, WarnsOfDeadLettersAndNamesTheMostFrequentReason) {
  ListedLetter listed;
  listed.letter.lane = Lane::kAudit;
  listed.letter.reason = "invalid time";
  snapshot_.letters.add(listed);
  expect_one(FindingLevel::kWarn, "dead-letters", "invalid time");
}

TEST_F(DiagnosisTest, WarnsOfWhatTheShipperSaysOfItsSink) {
  snapshot_.sink =
      SinkReport{.certificates = {}, .count = std::nullopt, .warnings = {"it is full"}};
  expect_one(FindingLevel::kWarn, "sink", "it is full");
  snapshot_.sink->warnings.clear();
  snapshot_.sink->count = SinkReport::Count{
      .since_ms = 1, .acknowledged = 9, .counted = 7, .differs_by = -2, .problem = ""};
  expect_one(FindingLevel::kWarn, "sink", "2 events less");
}

TEST_F(DiagnosisTest, WarnsOfAPageThatIsNotTheRunningDaemons) {
  pages_.fetcher->boot_id = "before";
  expect_one(FindingLevel::kWarn, "pages", "before the machine was last started");
  pages_.fetcher->boot_id = "boot";
  pages_.shipper->queue_id = Id128::random();
  expect_one(FindingLevel::kWarn, "pages", "another queue");
  pages_.shipper->queue_id = snapshot_.queue_id;
  pages_.shipper->epoch.number = 2;
  expect_one(FindingLevel::kWarn, "pages", "epoch 2, and the queue of epoch 3");
  pages_.shipper.reset();
  expect_one(FindingLevel::kWarn, "pages", "not valid");
}

TEST_F(DiagnosisTest, TakesAnOldPageOfADaemonThatDoesNotRunAsItIs) {
  snapshot_.fetcher = {false, 0, {}};
  pages_.fetcher->boot_id = "before";
  expect_one(FindingLevel::kFail, "fetcher", "does not run");
}

TEST(RunningProgram, IsTheFileOnTheDiskOrIsToldOf) {
  const auto own = std::filesystem::read_symlink("/proc/self/exe");
  EXPECT_EQ(look_at_process("fetcher", ::getpid(), own).level, FindingLevel::kOk);
  const Finding other = look_at_process("fetcher", ::getpid(), "/bin/sh");
  EXPECT_EQ(other.level, FindingLevel::kWarn);
  EXPECT_THAT(other.text, HasSubstr(own.string()));
}

}  // namespace
}  // namespace sluice::queue
