#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "fetcher/check/fetcher_checks.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::fetcher {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(ClockFinding, WarnsOfMoreThanTenSecondsInEitherDirection) {
  EXPECT_EQ(compare_clocks({1'000, 0}, {990, 0}).level, FindingLevel::kOk);
  EXPECT_EQ(compare_clocks({990, 0}, {1'000, 0}).level, FindingLevel::kOk);
  EXPECT_THAT(compare_clocks({1'000, 0}, {940, 0}).text, HasSubstr("1m ahead of"));
  EXPECT_THAT(compare_clocks({940, 0}, {1'000, 0}).text, HasSubstr("1m behind"));
  EXPECT_EQ(compare_clocks({940, 0}, {1'000, 0}).level, FindingLevel::kWarn);
}

class TakeoverTest : public testing::Test {
 protected:
  TakeoverTest() {
    config_.storage = folder_.path();
    config_.teleport.addr = "teleport.example.com:443";
  }

  Finding look() {
    Findings findings;
    check_takeover({.config = config_,
                    .clock = system_clock(),
                    .offline = true,
                    .is_daemon_user = true,
                    .as_daemon = "",
                    .stop = {}},
                   &findings);
    EXPECT_EQ(findings.size(), 1U);
    return findings.at(0);
  }

  void write(const std::string& name, seconds age) {
    const std::string file = "teleport.example.com_443/" + name;
    std::filesystem::create_directories((folder_.path() / file).parent_path());
    folder_.write(file, "x");
    const auto then = std::filesystem::file_time_type::clock::now() - age;
    for (auto path = folder_.path() / file; path != folder_.path(); path = path.parent_path()) {
      std::filesystem::last_write_time(path, then);
    }
  }

  const TempFolder folder_;
  Config config_;
};

TEST_F(TakeoverTest, IsFineWithoutAnOldHandler) {
  EXPECT_THAT(look().text, HasSubstr("has left nothing"));
  config_.storage.clear();
  EXPECT_EQ(look().level, FindingLevel::kOk);
}

TEST_F(TakeoverTest, FailsWhileTheOldHandlerWritesAnywhereInItsFolder) {
  write("start_time", seconds{10'000});
  EXPECT_THAT(look().text, HasSubstr("has stopped"));
  write("cursor_v2/2026-11-21/completed-chunks", seconds{100});
  EXPECT_EQ(look().level, FindingLevel::kFail);
  EXPECT_EQ(look().kind, ErrorKind::kBusy);
  write("cursor_v2/2026-11-21/completed-chunks", seconds{1'000});
  EXPECT_EQ(look().level, FindingLevel::kOk);
}

// The start takes the position over, so nothing is to be done.
TEST_F(TakeoverTest, IsFineWithFilesFromTheFuture) {
  write("window_time", -seconds{10'000});
  EXPECT_EQ(look().level, FindingLevel::kOk);
}

TEST_F(TakeoverTest, LooksAtTheFolderOfThisClusterOnly) {
  write("window_time", seconds{1});
  EXPECT_EQ(look().level, FindingLevel::kFail);
  config_.teleport.addr = "other.example.com:443";
  EXPECT_EQ(look().level, FindingLevel::kOk);
}

}  // namespace
}  // namespace sluice::fetcher
