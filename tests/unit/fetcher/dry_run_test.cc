#include "fetcher/dry_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/fetcher/fake_teleport.h"

namespace sluice::fetcher {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class DryRunTest : public ::testing::TestWithParam<bool> {
 protected:
  DryRunTest() : now_(system_clock().now()) {
    teleport_.set_export(GetParam());
    config_.exit_on_last_event = true;
    config_.poll_interval = std::chrono::milliseconds(5);
    config_.start_time = Timestamp{add_seconds(now_, -3'600).seconds, 0};
  }
  void add(const std::string& id, int seconds_ago, const std::string& type = "user.login",
           const std::string& sid = "") {
    const Timestamp time = add_seconds(now_, -seconds_ago);
    const std::string bytes = event_bytes(id, time, type, 0, sid);
    teleport_.add_chunk(day_of(time), "chunk-" + id, {bytes});
    teleport_.add_event(id, time);
  }

  const Timestamp now_;
  FakeTeleport teleport_;
  FetcherConfig config_;
};

INSTANTIATE_TEST_SUITE_P(DryRun, DryRunTest, ::testing::Bool(),
                         [](const auto& api) { return api.param ? "ByBulkExport" : "BySearch"; });

TEST_P(DryRunTest, CountsWhatTheConfigurationAsksForAndTakesNothingElseFromTeleport) {
  config_.skip_event_types = {GetParam() ? "skipped" : "user.login"};
  add("a", 100);
  add("b", 50);
  if (GetParam()) add("c", 10, "skipped");
  teleport_.add_recording("s", {});
  DryRun run(config_, &teleport_, system_clock());
  const auto done = run.run({});
  ASSERT_TRUE(done) << done.error().message;
  if (GetParam()) {
    EXPECT_THAT(run.summary(), StartsWith("2 audit events would be queued ("));
    EXPECT_THAT(run.summary(), HasSubstr("0 rejected, 1 left out"));
    EXPECT_THAT(run.summary(), HasSubstr("user.login 2"));
  } else {
    EXPECT_THAT(run.summary(), StartsWith("0 audit events would be queued, 0 rejected, 2 left"));
  }
  EXPECT_TRUE(teleport_.starts_of("s").empty());
  EXPECT_TRUE(teleport_.locks().empty());
}

TEST_P(DryRunTest, EndsWithTheReasonWhenTeleportIsNotReachable) {
  teleport_.set_reachable(false);
  EXPECT_FALSE(DryRun(config_, &teleport_, system_clock()).run({}));
}

}  // namespace
}  // namespace sluice::fetcher
