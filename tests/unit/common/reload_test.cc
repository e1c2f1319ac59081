#include "common/reload.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/common/temp_folder.h"

namespace sluice {
namespace {

constexpr int kFirst = 7;
constexpr int kSecond = 9;

class ReloadTest : public testing::Test {
 protected:
  ReloadTest() { write(kFirst); }

  void write(int connections) const {
    std::ofstream(path_) << "storage = \"" << folder_.path().native() << "\"\n"
                         << "[forward.fluentd]\nurl = \"http://localhost:1/events.log\"\n"
                         << "session-url = \"http://localhost:1/session\"\n"
                         << "[shipper]\nconnections = " << connections << "\n";
  }

  ConfigSources sources() const { return {.file = path_, .instance = {}, .flags = {}}; }

  // Runs `work` on what the file has now. What it was called with is in used_.
  Result<void> run(const Reload::Work& work) {
    auto config = load_config(Program::kShipper, sources());
    EXPECT_TRUE(config) << config.error().message;
    return reload_.run(&*config, stop_.get_token(),
                       [&](const Config& given, const std::stop_token& token) {
                         used_.push_back(static_cast<int>(given.shipper.connections));
                         return work(given, token);
                       });
  }

  TempFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "sluice.toml";
  Reload reload_{Program::kShipper, sources()};
  std::stop_source stop_;
  std::vector<int> used_;
};

TEST_F(ReloadTest, WithoutOneTheWorkIsDoneOnce) {
  EXPECT_TRUE(run([](const auto&, const auto&) { return Result<void>(); }));
  EXPECT_EQ(used_, (std::vector<int>{kFirst}));
}

TEST_F(ReloadTest, TheWorkIsStoppedAndBegunAgainWithTheNewConfiguration) {
  EXPECT_TRUE(run([this](const Config& given, const std::stop_token& token) {
    if (given.shipper.connections != kFirst) return Result<void>();
    write(kSecond);
    reload_.request();
    EXPECT_TRUE(token.stop_requested());
    return Result<void>();
  }));
  EXPECT_EQ(used_, (std::vector<int>{kFirst, kSecond}));
}

TEST_F(ReloadTest, AConfigurationThatIsWrongStopsNothing) {
  EXPECT_TRUE(run([this](const auto&, const std::stop_token& token) {
    std::ofstream(path_) << "[shipper]\nconections = 3\n";
    reload_.request();
    EXPECT_FALSE(token.stop_requested());
    return Result<void>();
  }));
  EXPECT_EQ(used_, (std::vector<int>{kFirst}));
}

TEST_F(ReloadTest, OneWithWhichTheWorkCannotBeginIsGivenUpForTheOneBefore) {
  bool is_back = false;
  EXPECT_TRUE(run([&](const Config& given, const auto&) -> Result<void> {
    if (given.shipper.connections == kSecond) {
      is_back = true;
      return fail(ErrorKind::kConfig, "this cannot work");
    }
    if (is_back) return {};
    write(kSecond);
    reload_.request();
    return {};
  }));
  EXPECT_EQ(used_, (std::vector<int>{kFirst, kSecond, kFirst}));
}

TEST_F(ReloadTest, AStopEndsItAlthoughAReloadIsDue) {
  EXPECT_TRUE(run([this](const auto&, const auto&) -> Result<void> {
    reload_.request();
    stop_.request_stop();
    return {};
  }));
  EXPECT_EQ(used_, (std::vector<int>{kFirst}));
}

TEST_F(ReloadTest, AnErrorOfTheWorkItselfEndsIt) {
  const auto done = run(
      [](const auto&, const auto&) { return Result<void>(fail(ErrorKind::kCorrupt, "damaged")); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace sluice
