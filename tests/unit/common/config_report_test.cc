#include "common/config_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/settings.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

class ConfigReportTest : public testing::Test {
 protected:
  ConfigReportTest() {
    ::unsetenv("FDFWD_CONFIG");
    for (const Setting& setting : settings()) {
      for (const std::string& name : environment_names(setting)) ::unsetenv(name.c_str());
    }
  }
  ~ConfigReportTest() override { ::unsetenv("FDFWD_TIMEOUT"); }

  ConfigReport report(Program program, std::string_view toml,
                      std::vector<std::pair<std::string, std::string>> flags = {}) {
    return report_on_config(program, {folder_.write("sluice.toml", toml), "", std::move(flags)});
  }

  // Their sentences, without the folder.
  std::vector<std::string> mistakes(const ConfigReport& report) const {
    std::vector<std::string> texts;
    for (const Error& mistake : report.mistakes) {
      std::string text = mistake.message;
      if (const auto at = text.find(folder_.path().native()); at != std::string::npos) {
        text.erase(at, folder_.path().native().size() + 1);
      }
      texts.push_back(text);
    }
    return texts;
  }

  static ResolvedSetting setting(const ConfigReport& report, std::string_view name) {
    const auto found = std::ranges::find(report.settings, name, &ResolvedSetting::name);
    return found == report.settings.end() ? ResolvedSetting{} : *found;
  }

  const TempFolder folder_;
};

constexpr std::string_view kShipper = R"([forward.fluentd]
url = "https://localhost:1/a"
session-url = "https://localhost:1/b"
)";

TEST_F(ConfigReportTest, HasAllMistakesAtOnceEachWithItsPlace) {
  const auto found = report(Program::kFetcher, R"(timeout = 10
batchh = 3
concurrency = 9999
[teleport]
addr = "teleport"
identity = "identity"
mode = "by-pigeon"
)",
                            {{"window-size", "1"}});
  EXPECT_THAT(
      mistakes(found),
      ElementsAre(
          HasSubstr("sluice.toml:1:11: timeout must be a duration"),
          "sluice.toml:2:1: the key batchh is not known; did you mean batch?",
          "sluice.toml:3:15: concurrency is 9999, but must be from 1 to 256",
          HasSubstr("--window-size must be a duration"),
          HasSubstr("sluice.toml:5:8: teleport.addr is \"teleport\", but must be HOST:PORT"),
          HasSubstr("sluice.toml:7:8: teleport.mode is \"by-pigeon\"")));
  EXPECT_THAT(found.unusable, IsSupersetOf({"timeout", "concurrency", "window-size",
                                            "teleport-addr", "teleport-mode"}));
  EXPECT_FALSE(found.unusable.contains("teleport-identity"));
}

TEST_F(ConfigReportTest, ReadsOnBehindValuesWithoutQuotes) {
  const auto found = report(Program::kFetcher, R"(storage = /var/lib/handler
debug = True
batch = 0
[teleport]
identity = /opt/identity
)");
  EXPECT_THAT(mistakes(found),
              ElementsAre(HasSubstr("sluice.toml:1:11: the value of storage has no quotes"),
                          HasSubstr("sluice.toml:2:9: the value of debug must be true or false"),
                          HasSubstr("sluice.toml:5:12: the value of identity has no quotes"),
                          HasSubstr("sluice.toml:3:9: batch is 0")));
  EXPECT_EQ(found.config.teleport.identity, "/opt/identity");
}

TEST_F(ConfigReportTest, SaysNothingOfWhatStandsInAFileThatIsNoToml) {
  const auto found = report(Program::kFetcher, "batch = 2\n[teleport\n");
  EXPECT_THAT(mistakes(found), ElementsAre(HasSubstr("sluice.toml:2:")));
  EXPECT_TRUE(found.unusable.contains("teleport-identity"));
}

TEST_F(ConfigReportTest, DoesNotComplainOfWhatFollowsFromAMistake) {
  const auto found = report(Program::kShipper, R"([forward.fluentd]
url = 5
session-url = "https://localhost:1/b"
cert = 7
key = "key"
)");
  EXPECT_THAT(mistakes(found),
              ElementsAre(HasSubstr("sluice.toml:2:7: forward.fluentd.url must be"),
                          HasSubstr("sluice.toml:4:8: forward.fluentd.cert must")));
}

TEST_F(ConfigReportTest, OpensNoFileThatTheConfigurationNames) {
  const auto found = report(Program::kFetcher, "[teleport]\nidentity = \"not-there\"\n");
  EXPECT_THAT(found.mistakes, IsEmpty());
}

TEST_F(ConfigReportTest, KnowsWhereEachValueComesFrom) {
  ::setenv("FDFWD_TIMEOUT", "7s", 1);
  const auto found = report(Program::kFetcher, R"(timeout = "10s"
types = ["user.login", "session.start"]
[teleport]
identity = "identity"
)",
                            {{"concurrency", "9"}});
  const auto timeout = setting(found, "timeout");
  EXPECT_EQ(timeout.from, SettingSource::kEnvironment);
  EXPECT_EQ(timeout.place, "the environment variable FDFWD_TIMEOUT");
  EXPECT_EQ(timeout.value, "7s");
  const auto types = setting(found, "types");
  EXPECT_EQ(types.from, SettingSource::kFile);
  EXPECT_EQ(types.place, folder_.path().native() + "/sluice.toml:2:9");
  EXPECT_EQ(types.value, "[user.login, session.start]");
  const auto concurrency = setting(found, "concurrency");
  EXPECT_EQ(concurrency.from, SettingSource::kFlag);
  EXPECT_EQ(concurrency.place, "--concurrency");
  const auto batch = setting(found, "batch");
  EXPECT_EQ(batch.from, SettingSource::kDefault);
  EXPECT_EQ(batch.place, "");
  EXPECT_EQ(batch.value, "1000");
  EXPECT_EQ(setting(found, "queue-path").value, "/var/lib/sluice/default");
  EXPECT_EQ(setting(found, "fluentd-url").name, "") << "of the other daemon";
}

TEST_F(ConfigReportTest, ShowsNoSecret) {
  const auto found = report(Program::kShipper, R"([forward.fluentd]
url = "https://anna:hunter2@localhost:1/a?token=hunter2"
session-url = https://anna:hunter2@localhost:1/b
password = hunter2
[shipper]
headers = ["X-Token: hunter2", "Authorization: Bearer file:/etc/token", "X-Key: hunter2 file:k"]
)");
  std::string all;
  for (const Error& mistake : found.mistakes) all += mistake.message + "\n";
  for (const ResolvedSetting& one : found.settings) all += one.value + "\n";
  EXPECT_THAT(all, Not(HasSubstr("hunter2")));
  EXPECT_EQ(setting(found, "fluentd-url").value, "[https://***@localhost:1/a?***]");
  EXPECT_EQ(setting(found, "headers").value,
            "[X-Token: ***, Authorization: Bearer file:/etc/token, X-Key: *** file:" +
                folder_.path().native() + "/k]");
}

TEST_F(ConfigReportTest, IsWhatADaemonWouldWorkWith) {
  const auto found = report(Program::kShipper, kShipper);
  EXPECT_THAT(found.mistakes, IsEmpty());
  EXPECT_THAT(found.unusable, IsEmpty());
  EXPECT_THAT(found.config.fluentd.urls, ElementsAre("https://localhost:1/a"));
}

}  // namespace
}  // namespace sluice
