#include "common/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/settings.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

// In the shape of what upstream's `configure` command writes.
constexpr std::string_view kUpstreamFile = R"(storage = "./storage"
timeout = "10s"
batch = 20

[forward.fluentd]
ca = "ca.crt"
cert = "client.crt"
key = "client.key"
url = "https://localhost:8888/events.log"
session-url = "https://localhost:8888/session"

[teleport]
addr = "teleport.example.com:443"
identity = "identity"
refresh.enabled = true
)";

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    ::unsetenv("FDFWD_CONFIG");
    for (const Setting& setting : settings()) {
      for (const std::string& name : environment_names(setting)) ::unsetenv(name.c_str());
    }
    for (const char* name : {"ca.crt", "client.crt", "client.key", "identity"}) {
      folder_.write(name, "not looked into");
    }
  }
  ~ConfigTest() override {
    for (const std::string& name : variables_) ::unsetenv(name.c_str());
  }

  void set_environment(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    variables_.push_back(name);
  }

  Result<Config> load(Program program, std::string_view toml,
                      std::vector<std::pair<std::string, std::string>> flags = {}) {
    return load_config(program, {folder_.write("sluice.toml", toml), "", std::move(flags)});
  }

  // For tests of one value: queuectl requires nothing.
  Result<Config> load_any(std::string_view toml) { return load(Program::kQueuectl, toml); }

  // The sentence, with FOLDER for the test's folder.
  std::string message(const Result<Config>& result) const {
    if (result) return "no error";
    return without_folder(result.error().message);
  }

  std::string without_folder(std::string text) const {
    const std::string folder = folder_.path().native() + "/";
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      text.erase(at, folder.size());
    }
    return text;
  }

  std::vector<std::string> warnings(const Result<Config>& result) const {
    std::vector<std::string> sentences;
    if (result) {
      for (const std::string& warning : result->warnings) {
        sentences.push_back(without_folder(warning));
      }
    }
    return sentences;
  }

  std::filesystem::path in_folder(std::string_view name) const { return folder_.path() / name; }

  TempFolder folder_;
  std::vector<std::string> variables_;
};

TEST_F(ConfigTest, AnUpstreamFileHasItsMeaningForTheFetcher) {
  const auto config = load(Program::kFetcher, kUpstreamFile);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->file, in_folder("sluice.toml"));
  EXPECT_EQ(config->instance, "default");
  EXPECT_EQ(config->queue_path, "/var/lib/sluice/default");
  EXPECT_EQ(config->storage, in_folder("storage"));
  EXPECT_EQ(config->fetcher.poll_interval, milliseconds(10'000));
  EXPECT_EQ(config->fetcher.page_size, 1000u);
  EXPECT_EQ(config->teleport.addr, "teleport.example.com:443");
  EXPECT_EQ(config->teleport.identity, in_folder("identity"));
  EXPECT_EQ(config->teleport.refresh_interval, milliseconds(60'000));
  EXPECT_TRUE(config->storage_is_relative);
  EXPECT_TRUE(warnings(config).empty());
}

TEST_F(ConfigTest, AnUpstreamFileHasItsMeaningForTheShipper) {
  const auto config = load(Program::kShipper, kUpstreamFile);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->fluentd.urls, ElementsAre("https://localhost:8888/events.log"));
  EXPECT_THAT(config->fluentd.session_urls, ElementsAre("https://localhost:8888/session"));
  EXPECT_EQ(config->fluentd.ca, in_folder("ca.crt"));
  EXPECT_EQ(config->fluentd.cert, in_folder("client.crt"));
  EXPECT_EQ(config->fluentd.key, in_folder("client.key"));
  EXPECT_THAT(warnings(config), IsEmpty());
}

TEST_F(ConfigTest, EachDaemonStartsWithoutTheOthersFiles) {
  std::filesystem::remove(in_folder("ca.crt"));
  std::filesystem::remove(in_folder("client.key"));
  EXPECT_EQ(message(load(Program::kFetcher, kUpstreamFile)), "no error");
  folder_.write("ca.crt", "");
  folder_.write("client.key", "");
  std::filesystem::remove(in_folder("identity"));
  EXPECT_EQ(message(load(Program::kShipper, kUpstreamFile)), "no error");
}

TEST_F(ConfigTest, QueuectlNeedsNothing) {
  const auto config = load_config(Program::kQueuectl, {});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->queue_path, "/var/lib/sluice/default");
  EXPECT_TRUE(config->file.empty());
}

TEST_F(ConfigTest, EveryKeyOfTheFileReachesItsField) {
  const auto config = load_any(R"(
debug = true
types = ["user.login", "session.start"]
skip-event-types = "a, b,,c"
skip-session-types = ["resize"]
start-time = "2026-11-23T02:58:41.987+02:00"
timeout = "250ms"
window-size = "1h30m"
batch = 5000
concurrency = 7
exit-on-last-event = true
lock-enabled = true
lock-failed-attempts-count = 4
lock-period = "2m"
lock-for = "10m"
[teleport]
addr = "[::1]:3025"
identity = "/absolute/identity"
ca = "a/../ca"
cert = "cert"
key = "key"
refresh.interval = "20m"
mode = "upgrade"
web-ca = "web"
max-requests-per-second = 9
[forward.fluentd]
url = "https://f:1/u"
session-url = "https://f:1/s"
ca = "fca"
cert = "fcert"
key = "fkey"
[queue]
path = "spool"
[fetcher]
search-overlap = "5m"
late-days = 3
buffer-bytes = "64MiB"
[shipper]
connections = 2
batch-events = 200
batch-bytes = 100000
request-timeout = "10s"
retry-min = "1s"
retry-max = "2m"
exit-when-drained = true
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->debug);
  EXPECT_THAT(config->fetcher.types, ElementsAre("user.login", "session.start"));
  EXPECT_THAT(config->fetcher.skip_event_types, ElementsAre("a", "b", "c"));
  EXPECT_THAT(config->fetcher.skip_session_types, ElementsAre("resize"));
  ASSERT_TRUE(config->fetcher.start_time);
  EXPECT_EQ(format_rfc3339(*config->fetcher.start_time), "2026-11-23T00:58:41Z");
  EXPECT_EQ(config->fetcher.poll_interval, milliseconds(250));
  EXPECT_TRUE(config->lock.enabled);
  EXPECT_EQ(config->lock.attempts_max, 4u);
  EXPECT_EQ(config->lock.period, std::chrono::minutes(2));
  EXPECT_EQ(config->lock.duration, std::chrono::minutes(10));
  EXPECT_EQ(config->teleport.mode, TeleportMode::kUpgrade);
  EXPECT_EQ(config->teleport.web_ca.filename(), "web");
  EXPECT_EQ(config->teleport.requests_per_second_max, 9u);
  EXPECT_EQ(config->fetcher.window_size, milliseconds(5'400'000));
  EXPECT_EQ(config->fetcher.page_size, 5000u);
  EXPECT_EQ(config->fetcher.concurrency, 7u);
  EXPECT_TRUE(config->fetcher.exit_on_last_event);
  EXPECT_EQ(config->teleport.addr, "[::1]:3025");
  EXPECT_EQ(config->teleport.identity, "/absolute/identity");
  EXPECT_EQ(config->teleport.ca, in_folder("ca"));
  EXPECT_EQ(config->teleport.cert, in_folder("cert"));
  EXPECT_EQ(config->teleport.key, in_folder("key"));
  EXPECT_EQ(config->teleport.refresh_interval, milliseconds(1'200'000));
  EXPECT_THAT(config->fluentd.urls, ElementsAre("https://f:1/u"));
  EXPECT_THAT(config->fluentd.session_urls, ElementsAre("https://f:1/s"));
  EXPECT_EQ(config->fluentd.ca, in_folder("fca"));
  EXPECT_EQ(config->fluentd.cert, in_folder("fcert"));
  EXPECT_EQ(config->fluentd.key, in_folder("fkey"));
  EXPECT_EQ(config->queue_path, in_folder("spool"));
  EXPECT_EQ(config->fetcher.search_overlap, milliseconds(300'000));
  EXPECT_EQ(config->fetcher.late_days, 3u);
  EXPECT_EQ(config->fetcher.buffer_bytes, 64u << 20);
  EXPECT_EQ(config->shipper.connections, 2u);
  EXPECT_EQ(config->shipper.batch_events, 200u);
  EXPECT_EQ(config->shipper.batch_bytes, 100'000u);
  EXPECT_EQ(config->shipper.request_timeout, milliseconds(10'000));
  EXPECT_EQ(config->shipper.retry_min, milliseconds(1'000));
  EXPECT_EQ(config->shipper.retry_max, milliseconds(120'000));
  EXPECT_TRUE(config->shipper.exit_when_drained);
}

TEST_F(ConfigTest, SeveralUrlsAreAnArrayOrHaveCommasBetweenThem) {
  const auto config = load_any(R"(
[forward.fluentd]
url = ["https://a/e", "https://b/e"]
session-url = "https://a/s, https://b/s"
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->fluentd.urls, ElementsAre("https://a/e", "https://b/e"));
  EXPECT_THAT(config->fluentd.session_urls, ElementsAre("https://a/s", "https://b/s"));
}

TEST_F(ConfigTest, KeysAreFoundWhereUpstreamLooksForThem) {
  const auto config = load_any(R"(
teleport-addr = "a:1"
teleport-refresh-interval = "2m"
[window]
size = "2h"
[skip.event]
types = "x"
[exit.on.last]
event = true
[forward.fluentd]
session.url = "https://f/s"
max.connections = 3
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->teleport.addr, "a:1");
  EXPECT_EQ(config->teleport.refresh_interval, milliseconds(120'000));
  EXPECT_EQ(config->fetcher.window_size, milliseconds(7'200'000));
  EXPECT_THAT(config->fetcher.skip_event_types, ElementsAre("x"));
  EXPECT_TRUE(config->fetcher.exit_on_last_event);
  EXPECT_THAT(config->fluentd.session_urls, ElementsAre("https://f/s"));
}

TEST_F(ConfigTest, ScalarsInQuotesAreReadAsUpstreamReadsThem) {
  const auto config = load_any("debug = \"yes\"\nbatch = \"2000\"\n[shipper]\nconnections = \"8\"");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->debug);
  EXPECT_EQ(config->fetcher.page_size, 2000u);
  EXPECT_EQ(config->shipper.connections, 8u);
}

TEST_F(ConfigTest, AStartTimeMayBeATomlTimeWithAnOffset) {
  const auto config = load_any("start-time = 2026-11-23T02:58:41.5+01:00");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(format_rfc3339(config->fetcher.start_time.value()), "2026-11-23T01:58:41Z");
}

TEST_F(ConfigTest, FlagsBeatTheEnvironmentWhichBeatsTheFileWhichBeatsTheDefault) {
  const auto timeout = [&](std::string_view toml,
                           std::vector<std::pair<std::string, std::string>> flags) {
    flags.emplace_back("teleport-identity", in_folder("identity").native());
    const auto config = load(Program::kFetcher, toml, std::move(flags));
    return config ? config->fetcher.poll_interval : milliseconds(-1);
  };
  EXPECT_EQ(timeout("", {}), milliseconds(5'000));
  EXPECT_EQ(timeout("timeout = \"6s\"", {}), milliseconds(6'000));
  set_environment("FDFWD_TIMEOUT", "7s");
  EXPECT_EQ(timeout("timeout = \"6s\"", {}), milliseconds(7'000));
  EXPECT_EQ(timeout("timeout = \"6s\"", {{"timeout", "8s"}}), milliseconds(8'000));
}

TEST_F(ConfigTest, BothSpellingsOfTheEnvironmentNamesAreRead) {
  set_environment("FDWRD_FLUENTD_CERT", "/one/cert");
  set_environment("FDFWD_FLUENTD_KEY", "/one/key");
  set_environment("FDWRD_LOCKING_PERIOD", "3m");
  set_environment("SLUICE_SHIPPER_BATCH_EVENTS", "17");
  const auto config = load_config(Program::kQueuectl, {});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->fluentd.cert, "/one/cert");
  EXPECT_EQ(config->fluentd.key, "/one/key");
  EXPECT_EQ(config->shipper.batch_events, 17u);
}

TEST_F(ConfigTest, TwoSpellingsOfOneEnvironmentNameMustAgree) {
  set_environment("FDFWD_TELEPORT_CERT", "/one");
  set_environment("FDWRD_TELEPORT_CERT", "/one");
  EXPECT_EQ(message(load_config(Program::kQueuectl, {})), "no error");
  set_environment("FDWRD_TELEPORT_CERT", "/two");
  EXPECT_EQ(message(load_config(Program::kQueuectl, {})),
            "the environment variables FDFWD_TELEPORT_CERT and FDWRD_TELEPORT_CERT differ: keep "
            "one of them");
}

TEST_F(ConfigTest, AnEmptyEnvironmentVariableCountsAsAbsent) {
  set_environment("FDFWD_TIMEOUT", "");
  set_environment("FDFWD_SKIP_SESSION_TYPES", "");
  const auto config = load_config(Program::kQueuectl, {});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->fetcher.poll_interval, milliseconds(5'000));
  EXPECT_THAT(config->fetcher.skip_session_types, ElementsAre("desktop.recording", "print"));
}

TEST_F(ConfigTest, PathsOfFlagsAndEnvironmentAreResolvedAgainstTheWorkingDirectory) {
  set_environment("FDFWD_TELEPORT_CA", "env-ca");
  const auto config = load(Program::kQueuectl, "", {{"queue-path", "spool"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->queue_path, std::filesystem::current_path() / "spool");
  EXPECT_EQ(config->teleport.ca, std::filesystem::current_path() / "env-ca");
}

TEST_F(ConfigTest, TheFileMayComeFromTheEnvironment) {
  set_environment("FDFWD_CONFIG", folder_.write("other.toml", "batch = 3000").native());
  const auto config = load_config(Program::kQueuectl, {});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->file, in_folder("other.toml"));
  EXPECT_EQ(config->fetcher.page_size, 3000u);
}

TEST_F(ConfigTest, AnInstanceHasItsOwnFileAndQueue) {
  set_environment("FDFWD_CONFIG", in_folder("ignored.toml").native());
  EXPECT_EQ(message(load_config(Program::kQueuectl, {"", "no-such-instance-7f3c", {}})),
            "cannot open /etc/sluice/no-such-instance-7f3c.toml: No such file or directory");
  const auto config = load_config(Program::kQueuectl, {folder_.write("x.toml", ""), "bank-2", {}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->instance, "bank-2");
  EXPECT_EQ(config->queue_path, "/var/lib/sluice/bank-2");
}

TEST_F(ConfigTest, AnInstanceLeavesTheDefaultPortsForMetricsToTheDefaultOne) {
  const auto file = folder_.write("x.toml", "[metrics]\nshipper-address = \"127.0.0.1:9470\"");
  const auto other = load_config(Program::kQueuectl, {file, "bank-2", {}});
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(other->fetcher.metrics_address, kNoAddress);
  EXPECT_EQ(other->shipper.metrics_address, "127.0.0.1:9470");
  const auto default_one = load_config(Program::kQueuectl, {file, "", {}});
  ASSERT_TRUE(default_one) << default_one.error().message;
  EXPECT_EQ(default_one->fetcher.metrics_address, "127.0.0.1:9464");
}

TEST_F(ConfigTest, AnInstanceNameThatCouldLeaveItsFolderIsRefused) {
  const auto config = load_config(Program::kQueuectl, {"", "../etc", {}});
  EXPECT_EQ(message(config), "--instance is \"../etc\", but must be 1 to 32 of a-z, 0-9 and -");
  EXPECT_EQ(config.error().kind, ErrorKind::kUsage);
  EXPECT_FALSE(load_config(Program::kQueuectl, {"", std::string(33, 'a'), {}}));
}

TEST_F(ConfigTest, TheConnectionsAreCappedByTheUpstreamLimit) {
  const std::string file(kUpstreamFile);
  const auto capped = load(Program::kShipper, file, {{"fluentd-max-connections", "3"}});
  ASSERT_TRUE(capped) << capped.error().message;
  EXPECT_EQ(capped->shipper.connections, 3u);
  EXPECT_THAT(warnings(capped), IsEmpty());

  const auto lowered = load(Program::kShipper, file + "[shipper]\nconnections = 9",
                            {{"fluentd-max-connections", "3"}});
  ASSERT_TRUE(lowered) << lowered.error().message;
  EXPECT_EQ(lowered->shipper.connections, 3u);
  EXPECT_THAT(warnings(lowered), ElementsAre("sluice.toml:17:15: shipper.connections is 9, but "
                                             "--fluentd-max-connections lowers it to 3"));

  EXPECT_EQ(
      load(Program::kShipper, file, {{"fluentd-max-connections", "100"}})->shipper.connections, 4u);
  EXPECT_EQ(load(Program::kShipper, file, {{"fluentd-max-connections", "0"}})->shipper.connections,
            4u);
}

TEST_F(ConfigTest, QueuectlKnowsTheCappedConnectionsToo) {
  const auto config = load_any("[forward.fluentd]\nmax-connections = 2");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->shipper.connections, 2u);
}

TEST_F(ConfigTest, SingleEventsMakeBatchesOfOneAndALargerBatchIsAnsweredWithAWarning) {
  const std::string file(kUpstreamFile);
  const auto single = load(Program::kShipper, file + "[shipper]\nbody = \"single\"");
  ASSERT_TRUE(single) << single.error().message;
  EXPECT_EQ(single->shipper.body, BodyForm::kSingle);
  EXPECT_EQ(single->shipper.batch_events, 1U);
  EXPECT_THAT(warnings(single), IsEmpty());

  const auto lowered =
      load(Program::kShipper, file + "[shipper]\nbody = \"single\"\nbatch-events = 500");
  ASSERT_TRUE(lowered) << lowered.error().message;
  EXPECT_EQ(lowered->shipper.batch_events, 1U);
  EXPECT_THAT(warnings(lowered),
              ElementsAre("sluice.toml:18:16: shipper.batch-events is 500, but shipper.body = "
                          "\"single\" lowers it to 1"));

  const auto queuectl = load_any("[shipper]\nbody = \"single\"\nbatch-events = 500");
  ASSERT_TRUE(queuectl) << queuectl.error().message;
  EXPECT_EQ(queuectl->shipper.batch_events, 1U);
}

TEST_F(ConfigTest, NdjsonIsAnsweredWithAWarningSinceFluentdMayDropItWith200) {
  const auto config =
      load(Program::kShipper, std::string(kUpstreamFile) + "[shipper]\nbody = \"ndjson\"");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->shipper.body, BodyForm::kNdjson);
  EXPECT_EQ(config->shipper.batch_events, 500U);
  EXPECT_THAT(warnings(config), ElementsAre(testing::HasSubstr("answers with 200 and drops")));
}

TEST_F(ConfigTest, HeadersAreReadWithTheirFilesFromTheFilesFolder) {
  folder_.write("token", "abc\n");
  const auto config = load(Program::kShipper, std::string(kUpstreamFile) +
                                                  "[shipper]\nheaders = [\"X-Env: a, b\", "
                                                  "\"Authorization: Bearer file:token\"]");
  ASSERT_TRUE(config) << config.error().message;
  const auto& headers = config->shipper.headers;
  ASSERT_EQ(headers.size(), 2U);
  EXPECT_EQ(header_line(headers[0]).value_or(""), "X-Env: a, b");
  EXPECT_EQ(headers[1].file, folder_.path() / "token");
  EXPECT_EQ(header_line(headers[1]).value_or(""), "Authorization: Bearer abc");
}

TEST_F(ConfigTest, HeadersFlagMayBeGivenSeveralTimesAndReplacesThoseOfTheFile) {
  const std::string file = std::string(kUpstreamFile) + "[shipper]\nheaders = [\"X-Env: a\"]";
  const auto config =
      load(Program::kShipper, file, {{"headers", "X-One: 1, 2"}, {"headers", "X-Two: 3"}});
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->shipper.headers.size(), 2U);
  EXPECT_EQ(header_line(config->shipper.headers[0]).value_or(""), "X-One: 1, 2");
  EXPECT_EQ(header_line(config->shipper.headers[1]).value_or(""), "X-Two: 3");

  const auto none = load(Program::kShipper, file, {{"headers", ""}});
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_THAT(none->shipper.headers, IsEmpty());
}

TEST_F(ConfigTest, MistakesInHeadersNameThePlaceAndNeverTheValue) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {R"(["X-Env: s3cret\r\nX-Other: 1"])", "control character in the value of the header X-Env"},
      {R"(["X Env: s3cret"])", "does not begin with a header's name and a colon"},
      {R"(["s3cret"])", "does not begin with a header's name and a colon"},
      {R"([": s3cret"])", "does not begin with a header's name and a colon"},
      {R"(["X-Env:  "])", "has no value for the header X-Env"},
      {R"(["content-type: s3cret"])", "has the header content-type, which Sluice sets by itself"},
      {R"(["Content-Length: 1"])", "which Sluice sets by itself"},
      {R"(["Host: s3cret"])", "which Sluice sets by itself"},
      {R"(["Transfer-Encoding: s3cret"])", "which Sluice sets by itself"},
      {R"(["X-Env: s3cret", "x-env: s3cret"])", "has the header x-env twice"},
      {R"(["Authorization: Bearer file:"])", "names no file after \"file:\""},
      {R"(["Authorization: credential:../s3cret"])", "that is no name of a file"},
      {R"([7])", "must be an array of strings"},
      {"7777", "must be an array of strings"},
  };
  for (const auto& [value, expected] : mistakes) {
    const std::string sentence = message(load_any("[shipper]\nheaders = " + value));
    EXPECT_THAT(sentence, testing::StartsWith("sluice.toml:2:11: shipper.headers ")) << value;
    EXPECT_THAT(sentence, testing::HasSubstr(expected));
    EXPECT_THAT(sentence, testing::Not(testing::HasSubstr("s3cret")));
    EXPECT_THAT(sentence, testing::Not(testing::HasSubstr("7777")));
  }
}

TEST_F(ConfigTest, FilesOfHeadersAreOpenedByTheShipperOnly) {
  const std::string file =
      std::string(kUpstreamFile) + "[shipper]\nheaders = [\"Authorization: Bearer file:absent\"]";
  EXPECT_THAT(message(load(Program::kShipper, file)),
              testing::AllOf(testing::StartsWith("sluice.toml:17:11: shipper.headers: "),
                             testing::HasSubstr("absent: No such file")));
  EXPECT_TRUE(load(Program::kFetcher, file));
  folder_.write("absent", "\n");
  EXPECT_THAT(message(load(Program::kShipper, file)), testing::HasSubstr("the file is empty"));
  folder_.write("absent", "one\nX-Two: two\n");
  EXPECT_THAT(message(load(Program::kShipper, file)), testing::HasSubstr("must be one line"));
}

TEST_F(ConfigTest, ACredentialIsAFileInTheFolderThatSystemdMakes) {
  const std::string file =
      std::string(kUpstreamFile) + "[shipper]\nheaders = [\"Authorization: credential:token\"]";
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_THAT(message(load(Program::kShipper, file)), testing::HasSubstr("LoadCredential=token"));
  folder_.write("token", "Splunk abc\n");
  set_environment("CREDENTIALS_DIRECTORY", folder_.path().native());
  const auto config = load(Program::kShipper, file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(header_line(config->shipper.headers.at(0)).value_or(""), "Authorization: Splunk abc");
}

TEST_F(ConfigTest, AFileOfTheShipperCanBeACredentialWhichOnlyItMisses) {
  std::string file(kUpstreamFile);
  file.replace(file.find("key = \"client.key\""), 18, "key = \"credential:fluentd-key\"");
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_THAT(message(load(Program::kShipper, file)),
              testing::HasSubstr("LoadCredential=fluentd-key"));
  EXPECT_TRUE(load(Program::kQueuectl, file));
  set_environment("CREDENTIALS_DIRECTORY", folder_.path().native());
  EXPECT_THAT(message(load(Program::kShipper, file)), testing::HasSubstr("fluentd-key"));
  folder_.write("fluentd-key", "");
  const auto config = load(Program::kShipper, file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->fluentd.key, folder_.path() / "fluentd-key");
}

TEST_F(ConfigTest, ACredentialThatIsNoNameOfAFileIsRefused) {
  for (const char* name : {"", "..", "a/b"}) {
    std::string file(kUpstreamFile);
    file.replace(file.find("key = \"client.key\""), 18,
                 fmt::format("key = \"credential:{}\"", name));
    EXPECT_THAT(message(load(Program::kShipper, file)), testing::HasSubstr("a credential has"));
  }
}

TEST_F(ConfigTest, APassphraseNeedsAKeyAndAPluginIdAMonitor) {
  std::string file(kUpstreamFile);
  file += "[shipper]\nmonitor-plugin-id = [\"in\"]";
  EXPECT_THAT(message(load(Program::kShipper, file)),
              testing::HasSubstr("shipper.monitor-url is missing"));
  EXPECT_THAT(message(load(Program::kShipper,
                           "[forward.fluentd]\nurl = \"https://a/b\"\nsession-url = "
                           "\"https://a/c\"\nkey-passphrase-file = \"p\"")),
              testing::HasSubstr("forward.fluentd.key is missing"));
}

TEST_F(ConfigTest, UrlsOfTheMonitorAreOnesOfHttpWithoutSecretsInThem) {
  const std::string file = std::string(kUpstreamFile) + "[shipper]\nmonitor-url = ";
  const auto config =
      load(Program::kShipper, file + "[\"http://127.0.0.1:24220\", \"http://127.0.0.1:24221\"]");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->shipper.monitor_urls,
              testing::ElementsAre("http://127.0.0.1:24220", "http://127.0.0.1:24221"));
  EXPECT_THAT(message(load(Program::kShipper, file + "\"127.0.0.1:24220\"")),
              testing::HasSubstr("must start with https:// or http://"));
  EXPECT_THAT(message(load(Program::kShipper, file + "\"http://127.0.0.1:24220/@\"")),
              testing::HasSubstr("must have no ?, # or @ in it"));
}

TEST_F(ConfigTest, AUrlWithAPasswordIsRefusedAndNotShown) {
  const std::string session = "session-url = \"https://f/s\"\n";
  const std::string audit = "url = \"https://f/a\"\n" + session + "[shipper]\n";
  const std::string table = "[forward.fluentd]\n";
  for (const std::string& file :
       {table + session + "url = \"https://anna:hush@f/a\"",
        table + session + "url = [\"https://f/a\", \"https://anna:hush@f/b\"]",
        table + "url = \"https://f/a\"\nsession-url = \"https://anna:hush@f/s?x\"",
        table + session + "url = \"forward+tls://anna:hush@f/a\"",
        table + audit + "monitor-url = \"http://anna:hush@127.0.0.1:24220\""}) {
    EXPECT_THAT(message(load(Program::kShipper, file)),
                testing::AllOf(testing::HasSubstr("a user in it"),
                               testing::Not(testing::HasSubstr("hush"))))
        << file;
  }
}

TEST_F(ConfigTest, ABodyOfNoKnownFormIsRefused) {
  EXPECT_EQ(message(load(Program::kShipper,
                         std::string(kUpstreamFile) + "[shipper]\nbody = \"msgpack\"")),
            "sluice.toml:17:8: shipper.body is \"msgpack\", but must be array, ndjson or single");
}

TEST_F(ConfigTest, AnEmptyListOfSkippedSessionTypesIsKeptWithAWarning) {
  for (const char* empty : {"[]", "\"\""}) {
    const auto config = load(Program::kFetcher, fmt::format("skip-session-types = {}\n[teleport]\n"
                                                            "identity = \"identity\"",
                                                            empty));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_THAT(config->fetcher.skip_session_types, IsEmpty());
    EXPECT_THAT(
        warnings(config),
        ElementsAre("sluice.toml:1:22: skip-session-types is empty, so everything that is shown in "
                    "a session is exported, \"print\" and \"desktop.recording\" events included"));
  }
}

TEST_F(ConfigTest, SwitchingTheRefreshOffHasNoEffectAndAWarning) {
  const auto config =
      load(Program::kFetcher, "[teleport]\nidentity = \"identity\"\nrefresh.enabled = false");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(warnings(config),
              ElementsAre("sluice.toml:3:19: teleport.refresh.enabled is false, but the identity "
                          "is always refreshed: the setting has no effect"));
}

TEST_F(ConfigTest, AnUnencryptedUrlGetsAWarning) {
  const auto config = load(Program::kShipper,
                           "[forward.fluentd]\nurl = \"http://f:1/a\"\n"
                           "session-url = \"https://f:1/s\"");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(warnings(config),
              ElementsAre("sluice.toml:2:7: forward.fluentd.url starts with http://, so events "
                          "travel unencrypted and no certificate is checked"));
}

TEST_F(ConfigTest, ForwardUrlsAskForTheirOwnBody) {
  const auto config = load(Program::kShipper,
                           "[forward.fluentd]\nurl = \"forward+tls://f/a.log\"\n"
                           "session-url = \"forward://f:1/s\"\nshared-key-file = \"client.key\"\n"
                           "username = \"anna\"\npassword-file = \"client.crt\"\n"
                           "[shipper]\ngzip = true");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->shipper.body, BodyForm::kEntries);
  EXPECT_TRUE(config->shipper.gzip);
  EXPECT_EQ(config->fluentd.username, "anna");
  EXPECT_EQ(config->fluentd.shared_key_file.filename(), "client.key");
  EXPECT_EQ(config->fluentd.password_file.filename(), "client.crt");
  EXPECT_THAT(
      warnings(config),
      ElementsAre("sluice.toml:3:15: forward.fluentd.session-url starts with forward://, so "
                  "events travel unencrypted and no certificate is checked"));
}

TEST_F(ConfigTest, AnEmptyFlagTakesBackWhatTheFileSays) {
  const auto config = load(Program::kFetcher, kUpstreamFile,
                           {{"storage", ""}, {"teleport-addr", ""}, {"timeout", ""}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->storage.empty());
  EXPECT_EQ(config->teleport.addr, "localhost:3025");
  EXPECT_EQ(config->fetcher.poll_interval, milliseconds(5'000));
  EXPECT_THAT(warnings(config), IsEmpty());
}

TEST_F(ConfigTest, ListFlagsAddUpAndSwitchesNeedNoValue) {
  const auto config = load(Program::kFetcher, kUpstreamFile,
                           {{"types", "a,b"},
                            {"debug", ""},
                            {"types", "c"},
                            {"exit-on-last-event", "false"},
                            {"storage", ""}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->fetcher.types, ElementsAre("a", "b", "c"));
  EXPECT_TRUE(config->debug);
  EXPECT_FALSE(config->fetcher.exit_on_last_event);
}

struct Mistake {
  const char* name;
  std::string_view toml;
  std::string_view sentence;
};

std::ostream& operator<<(std::ostream& out, const Mistake& mistake) { return out << mistake.name; }

class FileMistakes : public ConfigTest, public testing::WithParamInterface<Mistake> {};

TEST_P(FileMistakes, AreOneSentenceWithAPlace) {
  const auto config = load_any(GetParam().toml);
  EXPECT_EQ(message(config), GetParam().sentence);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind, ErrorKind::kConfig);
}

INSTANTIATE_TEST_SUITE_P(
    Config, FileMistakes,
    testing::Values(
        Mistake{"MisspeltKey", "debug = true\n[teleport]\nadress = \"x:1\"",
                "sluice.toml:3:1: the key teleport.adress is not known; did you mean "
                "teleport.addr?"},
        Mistake{"SwappedLetters", "bacth = 20",
                "sluice.toml:1:1: the key bacth is not known; did you mean batch?"},
        Mistake{"RightKeyInTheWrongTable", "[fluentd]\nurl = \"https://f\"",
                "sluice.toml:2:1: the key fluentd.url is not known; did you mean "
                "forward.fluentd.url?"},
        Mistake{"KeyWithoutLikeness", "zzz = 1", "sluice.toml:1:1: the key zzz is not known"},
        Mistake{"UnknownEmptyTable", "[tracing]", "sluice.toml:1:2: the key tracing is not known"},
        Mistake{"QuotedDottedKey", "\"teleport.addr\" = \"x:1\"",
                "sluice.toml:1:1: the key \"teleport.addr\" is not known; did you mean "
                "teleport.addr?"},
        Mistake{"FirstMistakeOfTheFile", "[zz]\nq = 1\n[aa]\nq = 1",
                "sluice.toml:2:1: the key zz.q is not known"},
        Mistake{"SameKeyTwice", "batch = 1\nbatch = 2",
                "sluice.toml:2:9: batch = 2 is given twice: keep one of them"},
        Mistake{"SameTableTwice", "[teleport]\naddr = \"a:1\"\n[teleport]\nca = \"x\"",
                "sluice.toml:3:1: [teleport] is given twice: keep one of them"},
        Mistake{"SameSettingInTwoSpellings", "window-size = \"1h\"\n[window]\nsize = \"2h\"",
                "sluice.toml:3:1: window-size is given twice, first in line 1: keep one of them"},
        Mistake{"UnquotedPath", "[teleport]\nidentity = /var/lib/teleport/identity # mine",
                "sluice.toml:2:12: the value of identity has no quotes: put quotes around it, "
                "identity = \"/var/lib/teleport/identity\""},
        Mistake{"UnquotedRelativePath", "storage = ./storage",
                "sluice.toml:1:11: the value of storage has no quotes: put quotes around it, "
                "storage = \"./storage\""},
        Mistake{"UnquotedWord", "storage = identity",
                "sluice.toml:1:11: the value of storage has no quotes: put quotes around it, "
                "storage = \"identity\""},
        Mistake{"UnquotedAddress", "[teleport]\naddr = teleport.example.com:443",
                "sluice.toml:2:8: the value of addr has no quotes: put quotes around it, addr = "
                "\"teleport.example.com:443\""},
        Mistake{"UnquotedDuration", "timeout = 10s",
                "sluice.toml:1:11: the value of timeout has no quotes: put quotes around it, "
                "timeout = \"10s\""},
        Mistake{"CapitalTrue", "debug = True",
                "sluice.toml:1:9: the value of debug must be true or false, in small letters"},
        Mistake{"OpenTable", "[forward.fluentd\nurl = \"x\"",
                "sluice.toml:1:17: this is not valid TOML: Error while parsing table header: "
                "expected ']', saw '\\n'"},
        Mistake{"OpenString", "storage = \"x",
                "sluice.toml:1:13: this is not valid TOML: Error while parsing string: "
                "encountered end-of-file"},
        Mistake{"MissingValue", "storage = ",
                "sluice.toml:1:11: this is not valid TOML: Error while parsing key-value pair: "
                "encountered end-of-file"},
        Mistake{"NumberIsText", "batch = \"many\"",
                "sluice.toml:1:9: batch must be a whole number, but there is the string \"many\""},
        Mistake{"NumberIsFraction", "batch = 20.5",
                "sluice.toml:1:9: batch must be a whole number, but there is the number 20.5"},
        Mistake{"NumberTooLarge", "batch = 20000",
                "sluice.toml:1:9: batch is 20000, but must be from 1 to 10000"},
        Mistake{"NumberTooSmall", "concurrency = 0",
                "sluice.toml:1:15: concurrency is 0, but must be from 1 to 256"},
        Mistake{"NumberNegative", "[shipper]\nconnections = -1",
                "sluice.toml:2:15: shipper.connections is -1, but must be from 1 to 64"},
        Mistake{"DurationIsNumber", "timeout = 10",
                "sluice.toml:1:11: timeout must be a duration such as \"500ms\", \"5s\" or "
                "\"1h30m\", but there is the integer 10"},
        Mistake{"DurationWithoutUnit", "timeout = \"10\"",
                "sluice.toml:1:11: timeout must be a duration such as \"500ms\", \"5s\" or "
                "\"1h30m\", but there is the string \"10\""},
        Mistake{"DurationTooShort", "timeout = \"1ms\"",
                "sluice.toml:1:11: timeout is 1ms, but must be from 100ms to 1d"},
        Mistake{"DurationTooLong", "[shipper]\nretry-max = \"2h\"",
                "sluice.toml:2:13: shipper.retry-max is 2h, but must be from 1ms to 1h"},
        Mistake{"SizeUnitUnknown", "[shipper]\nbatch-bytes = \"5MB\"",
                "sluice.toml:2:15: shipper.batch-bytes must be a number of bytes or a size such as "
                "\"512KiB\" or \"16MiB\", but there is the string \"5MB\""},
        Mistake{"SizeTooLarge", "[fetcher]\nbuffer-bytes = \"8GiB\"",
                "sluice.toml:2:16: fetcher.buffer-bytes is 8GiB, but must be from 1MiB to 4GiB"},
        Mistake{"SwitchIsNumber", "debug = 1",
                "sluice.toml:1:9: debug must be true or false, but there is the integer 1"},
        Mistake{"SwitchIsWord", "debug = \"maybe\"",
                "sluice.toml:1:9: debug must be true or false, but there is the string \"maybe\""},
        Mistake{"PathIsSwitch", "storage = true",
                "sluice.toml:1:11: storage must be a string with the path of a folder in it, but "
                "there is true"},
        Mistake{"FileIsArray", "[teleport]\nca = [\"a\", \"b\"]",
                "sluice.toml:2:6: teleport.ca must be a string with the path of a file in it, but "
                "there is an array"},
        Mistake{"UrlIsNumber", "[forward.fluentd]\nurl = 8888",
                "sluice.toml:2:7: forward.fluentd.url must be a string with a URL in it, or an "
                "array of such strings, but there is the integer 8888"},
        Mistake{"AddressIsTable", "teleport.addr = {}",
                "sluice.toml:1:17: teleport.addr must be a string such as "
                "\"teleport.example.com:443\", but there is a table"},
        Mistake{"ListIsNumber", "types = 5",
                "sluice.toml:1:9: types must be an array of strings, or one string with commas in "
                "it, but there is the integer 5"},
        Mistake{"ListHasNumber", "types = [\"a\", 5]",
                "sluice.toml:1:9: types must be an array of strings, but has the integer 5 in it"},
        Mistake{"TimeWithoutZone", "start-time = \"2026-11-23T02:58:41\"",
                "sluice.toml:1:14: start-time must be a time with a zone, such as "
                "\"2026-11-23T02:58:41Z\", but there is the string \"2026-11-23T02:58:41\""},
        Mistake{"TomlTimeWithoutZone", "start-time = 2026-11-23T02:58:41",
                "sluice.toml:1:14: start-time must be a time with a zone, such as "
                "\"2026-11-23T02:58:41Z\", but there is the time 2026-11-23T02:58:41"},
        Mistake{"TimeIsNumber", "start-time = 5",
                "sluice.toml:1:14: start-time must be a time with a zone, such as "
                "\"2026-11-23T02:58:41Z\", but there is the integer 5"}),
    [](const testing::TestParamInfo<Mistake>& test) { return std::string(test.param.name); });

struct Refusal {
  const char* name;
  Program program;
  std::string_view toml;
  std::string_view sentence;
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) { return out << refusal.name; }

class Refusals : public ConfigTest, public testing::WithParamInterface<Refusal> {};

TEST_P(Refusals, AreOneSentenceThatNamesKeyAndCause) {
  const auto config = load(GetParam().program, GetParam().toml);
  EXPECT_EQ(message(config), GetParam().sentence);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind, ErrorKind::kConfig);
  // queuectl must be able to look at the queue of a configuration that no daemon accepts.
  EXPECT_EQ(message(load_any(GetParam().toml)), "no error");
}

INSTANTIATE_TEST_SUITE_P(
    Config, Refusals,
    testing::Values(
        Refusal{
            "NoSuchMode", Program::kFetcher,
            "[teleport]\nmode = \"tunnel\"\nidentity = \"identity\"",
            "sluice.toml:2:8: teleport.mode is \"tunnel\", but must be auto, direct, tls-routing "
            "or upgrade"},
        Refusal{"DryRunOfTheShipper", Program::kShipper, "dry-run = true",
                "sluice.toml:1:11: dry-run is true, but only the fetcher has a dry run: leave it "
                "out, and give --dry-run to sluice-fetcher"},
        Refusal{
            "NoBackfillSpan", Program::kFetcher,
            "[fetcher]\nbackfill = [\"2026-11-01\"]\n[teleport]\nidentity = \"identity\"",
            "sluice.toml:2:12: fetcher.backfill is \"2026-11-01\", but must be FROM/TO with RFC "
            "3339 times, such as \"2026-11-01T00:00:00Z/2026-11-02T00:00:00Z\""},
        Refusal{"BackfillSpanFromBehind", Program::kFetcher,
                "[fetcher]\nbackfill = [\"2026-11-02T00:00:00Z/2026-11-01T00:00:00Z\"]\n"
                "[teleport]\nidentity = \"identity\"",
                "sluice.toml:2:12: fetcher.backfill is \"2026-11-02T00:00:00Z/"
                "2026-11-01T00:00:00Z\", which ends before it begins"},
        Refusal{"NoIdentity", Program::kFetcher, "",
                "sluice.toml: teleport.identity is missing: name an identity file, or give "
                "teleport.ca, teleport.cert and teleport.key"},
        Refusal{"PartOfTheTriple", Program::kFetcher,
                "[teleport]\nca = \"ca.crt\"\nkey = \"client.key\"",
                "sluice.toml: teleport.cert is missing: teleport.ca, teleport.cert and "
                "teleport.key must be given together"},
        Refusal{"IdentityAndTriple", Program::kFetcher,
                "[teleport]\nidentity = \"identity\"\nkey = \"client.key\"",
                "sluice.toml:2:12: teleport.identity and teleport.key exclude each other: keep the "
                "identity file, or teleport.ca, teleport.cert and teleport.key"},
        Refusal{"IdentityFileAbsent", Program::kFetcher, "[teleport]\nidentity = \"absent\"",
                "sluice.toml:2:12: teleport.identity: cannot open absent: No such file or "
                "directory"},
        Refusal{"IdentityFileIsFolder", Program::kFetcher, "[teleport]\nidentity = \"/\"",
                "sluice.toml:2:12: teleport.identity: cannot read /: it is a directory"},
        Refusal{"AddressWithoutPort", Program::kFetcher,
                "[teleport]\naddr = \"teleport.example.com\"\nidentity = \"identity\"",
                "sluice.toml:2:8: teleport.addr is \"teleport.example.com\", but must be "
                "HOST:PORT, such as \"teleport.example.com:443\""},
        Refusal{"AddressIsUrl", Program::kFetcher,
                "[teleport]\naddr = \"https://t:443\"\nidentity = \"identity\"",
                "sluice.toml:2:8: teleport.addr is \"https://t:443\", but must be HOST:PORT, such "
                "as \"teleport.example.com:443\""},
        Refusal{"PortTooLarge", Program::kFetcher,
                "[teleport]\naddr = \"t:65536\"\nidentity = \"identity\"",
                "sluice.toml:2:8: teleport.addr is \"t:65536\", but must be HOST:PORT, such as "
                "\"teleport.example.com:443\""},
        Refusal{"NoUrl", Program::kShipper, "",
                "sluice.toml: forward.fluentd.url is missing: say where Fluentd takes these "
                "events"},
        Refusal{"NoSessionUrl", Program::kShipper, "[forward.fluentd]\nurl = \"https://f\"",
                "sluice.toml: forward.fluentd.session-url is missing: say where Fluentd takes "
                "these events"},
        Refusal{"UrlOfAnotherScheme", Program::kShipper, "[forward.fluentd]\nurl = \"ftp://f\"",
                "sluice.toml:2:7: forward.fluentd.url is \"ftp://f\", but must start with https:// "
                "or http://, or with forward+tls:// or forward://"},
        Refusal{"ForwardUrlWithoutTag", Program::kShipper,
                "[forward.fluentd]\nurl = \"forward+tls://f:24224/\"",
                "sluice.toml:2:7: forward.fluentd.url is \"forward+tls://f:24224/\", but has no "
                "tag: put one behind its host, as in /test.log"},
        Refusal{"UrlsOfTwoKinds", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"forward+tls://f/s\"",
                "sluice.toml:3:15: forward.fluentd.session-url is \"forward+tls://f/s\", but "
                "forward.fluentd.url is \"https://f\": both must be of the http input, or both of "
                "the forward input"},
        Refusal{"SharedKeyOverHttp", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f\"\n"
                "shared-key-file = \"client.key\"",
                "sluice.toml:4:19: forward.fluentd.shared-key-file is given, but is of the forward "
                "protocol only: leave it out, or use URLs that begin with forward+tls://"},
        Refusal{"BodyOverForward", Program::kShipper,
                "[forward.fluentd]\nurl = \"forward+tls://f/a\"\nsession-url = "
                "\"forward+tls://f/s\"\n[shipper]\nbody = \"array\"",
                "sluice.toml:5:8: shipper.body is given, but the forward protocol, which "
                "forward.fluentd.url asks for, has no such thing: leave it out"},
        Refusal{"HeadersOverForward", Program::kShipper,
                "[forward.fluentd]\nurl = \"forward+tls://f/a\"\nsession-url = "
                "\"forward+tls://f/s\"\n[shipper]\nheaders = [\"A: b\"]",
                "sluice.toml:5:11: shipper.headers is given, but the forward protocol, which "
                "forward.fluentd.url asks for, has no such thing: leave it out"},
        Refusal{"UserWithoutPassword", Program::kShipper,
                "[forward.fluentd]\nurl = \"forward+tls://f/a\"\nsession-url = "
                "\"forward+tls://f/s\"\nusername = \"anna\"",
                "sluice.toml:4:12: forward.fluentd.username is given, but "
                "forward.fluentd.password-file is missing: give both or neither"},
        Refusal{"UserWithoutSharedKey", Program::kShipper,
                "[forward.fluentd]\nurl = \"forward+tls://f/a\"\nsession-url = "
                "\"forward+tls://f/s\"\nusername = \"anna\"\npassword-file = \"client.key\"",
                "sluice.toml:4:12: forward.fluentd.username is given, but "
                "forward.fluentd.shared-key-file is missing: Fluentd asks for users only where it "
                "has a shared key"},
        Refusal{"UrlWithoutHost", Program::kShipper, "[forward.fluentd]\nurl = \"https:///x\"",
                "sluice.toml:2:7: forward.fluentd.url is \"https:///x\", but has no host"},
        Refusal{"UrlWithSpace", Program::kShipper, "[forward.fluentd]\nurl = \"https://f/a b\"",
                "sluice.toml:2:7: forward.fluentd.url is \"https://f/a b\", but must have no "
                "spaces in it"},
        Refusal{"UnlikeNumbersOfUrls", Program::kShipper,
                "[forward.fluentd]\nurl = [\"https://a\", \"https://b\"]\n"
                "session-url = \"https://a/s\"",
                "sluice.toml:3:15: forward.fluentd.session-url has 1 URLs and forward.fluentd.url "
                "has 2, but both must have as many, in the same order of servers"},
        Refusal{"SecondUrlOfAnotherScheme", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://a, ftp://b\"",
                "sluice.toml:2:7: forward.fluentd.url is \"ftp://b\", but must start with https:// "
                "or http://, or with forward+tls:// or forward://"},
        Refusal{"UrlsOfBothInputs", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://a, forward+tls://b:24224/t\"\n"
                "session-url = \"https://a/s, https://b/s\"",
                "sluice.toml:2:7: forward.fluentd.url is \"forward+tls://b:24224/t\", but "
                "forward.fluentd.url is \"https://a\": both must be of the http input, or both of "
                "the forward input"},
        Refusal{"UrlTwice", Program::kShipper,
                "[forward.fluentd]\nurl = [\"https://a\", \"https://a\"]",
                "sluice.toml:2:7: forward.fluentd.url has \"https://a\" twice"},
        Refusal{
            "TooManyUrls", Program::kShipper,
            "[forward.fluentd]\nurl = \"h://1,h://2,h://3,h://4,h://5,h://6,h://7,h://8,h://9\"",
            "sluice.toml:2:7: forward.fluentd.url has 9 URLs, but must have at most 8"},
        Refusal{"SessionUrlWithQuery", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f/s?x=1\"",
                "sluice.toml:3:15: forward.fluentd.session-url is \"https://f/s?x=1\", but must "
                "have no ? or #, since the name of the session is put at its end"},
        Refusal{"CertificateWithoutKey", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f\"\n"
                "cert = \"client.crt\"",
                "sluice.toml:4:8: forward.fluentd.cert is given, but forward.fluentd.key is "
                "missing: give both or neither"},
        Refusal{"KeyWithoutCertificate", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f\"\n"
                "key = \"client.key\"",
                "sluice.toml:4:7: forward.fluentd.key is given, but forward.fluentd.cert is "
                "missing: give both or neither"},
        Refusal{"CaFileAbsent", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f\"\n"
                "ca = \"absent\"",
                "sluice.toml:4:6: forward.fluentd.ca: cannot open absent: No such file or "
                "directory"},
        Refusal{"MetricsAddressWithoutPort", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f\"\n"
                "[metrics]\nshipper-address = \"localhost\"",
                "sluice.toml:5:19: metrics.shipper-address is \"localhost\", but must be IP:PORT, "
                "such as \"127.0.0.1:9464\", or \"none\""},
        Refusal{"HeartbeatTagThatChangesTheUrl", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f\"\n"
                "[shipper]\nheartbeat-tag = \"a?b\"",
                "sluice.toml:5:17: shipper.heartbeat-tag is \"a?b\", but must be a tag such as "
                "\"sluice.heartbeat\", of letters, digits, \".\", \"_\", \"-\" and \"/\""},
        Refusal{"RetriesUpsideDown", Program::kShipper,
                "[forward.fluentd]\nurl = \"https://f\"\nsession-url = \"https://f\"\n"
                "[shipper]\nretry-min = \"50s\"",
                "sluice.toml:5:13: shipper.retry-min puts shipper.retry-min (50s) above "
                "shipper.retry-max (30s)"}),
    [](const testing::TestParamInfo<Refusal>& test) { return std::string(test.param.name); });

TEST_F(ConfigTest, AMissingSettingWithoutAFileSaysThatThereIsNoFile) {
  EXPECT_EQ(message(load_config(Program::kShipper, {})),
            "forward.fluentd.url is missing, and no configuration file is given (--config): say "
            "where Fluentd takes these events");
}

TEST_F(ConfigTest, AFileThatCannotBeReadIsOneSentence) {
  const auto absent = load_config(Program::kQueuectl, {in_folder("absent.toml"), "", {}});
  EXPECT_EQ(message(absent), "cannot open absent.toml: No such file or directory");
  EXPECT_EQ(absent.error().kind, ErrorKind::kConfig);
  EXPECT_EQ(message(load_config(Program::kQueuectl, {"/", "", {}})),
            "cannot read /: it is a directory");
  const std::string long_text = "#" + std::string(1 << 20, 'x');
  EXPECT_EQ(message(load_any(long_text)),
            "cannot read sluice.toml: it is longer than the 1048576 bytes that are allowed");
}

TEST_F(ConfigTest, AFileWithoutPermissionIsOneSentence) {
  constexpr uid_t kNobody = 65'534;
  const auto file = folder_.write("secret.toml", "");
  std::filesystem::permissions(file, std::filesystem::perms::none);
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  // Root may read everything, so a test that runs as root lends itself another identity.
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const auto config = load_config(Program::kQueuectl, {file, "", {}});
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(message(config), "cannot open secret.toml: Permission denied");
}

TEST_F(ConfigTest, AMistakeInTheEnvironmentNamesTheVariable) {
  set_environment("FDFWD_BATCH", "0");
  const auto config = load_config(Program::kQueuectl, {});
  EXPECT_EQ(message(config),
            "the environment variable FDFWD_BATCH is 0, but must be from 1 to 10000");
  EXPECT_EQ(config.error().kind, ErrorKind::kConfig);
}

TEST_F(ConfigTest, AMistakeOnTheCommandLineNamesTheFlag) {
  const auto flag = [&](Program program, std::string name, std::string value) {
    const auto config = load_config(program, {"", "", {{std::move(name), std::move(value)}}});
    EXPECT_TRUE(!config && config.error().kind == ErrorKind::kUsage);
    return message(config);
  };
  EXPECT_EQ(flag(Program::kFetcher, "batch", "x"),
            "--batch must be a whole number, but there is \"x\"");
  EXPECT_EQ(flag(Program::kFetcher, "types-to-skip", "x"),
            "--types-to-skip is not a flag of sluice-fetcher");
  EXPECT_EQ(flag(Program::kFetcher, "skip-events-types", "x"),
            "--skip-events-types is not a flag of sluice-fetcher; did you mean "
            "--skip-event-types?");
  EXPECT_EQ(flag(Program::kFetcher, "fluentd-url", "x"),
            "--fluentd-url is a flag of sluice-shipper, not of sluice-fetcher");
  EXPECT_EQ(flag(Program::kShipper, "types", "x"),
            "--types is a flag of sluice-fetcher, not of sluice-shipper");
  EXPECT_EQ(flag(Program::kQueuectl, "types", "x"), "--types is not a flag of queuectl");
  EXPECT_EQ(flag(Program::kShipper, "dry-run", ""),
            "--dry-run is true, but only the fetcher has a dry run: leave it out, and give "
            "--dry-run to sluice-fetcher");
  EXPECT_EQ(message(load_config(Program::kFetcher, {"", "", {{"batch", "1"}, {"batch", "2"}}})),
            "--batch is given twice: keep one of them");
}

TEST_F(ConfigTest, KnowsNoKeyForWhatIsAFlagOnly) {
  EXPECT_EQ(message(load_any("restart-from = \"2026-11-01T00:00:00Z\"")),
            "sluice.toml:1:1: the key restart-from is not known");
}

TEST_F(ConfigTest, EachProgramHasTheFlagsOfItsOwnHalf) {
  const auto names = [](Program program) {
    std::map<std::string, std::string> values;
    for (const FlagHelp& flag : config_flags(program)) values[flag.name] = flag.value;
    return values;
  };
  const auto fetcher = names(Program::kFetcher);
  EXPECT_EQ(fetcher.at("teleport-addr"), "HOST:PORT");
  EXPECT_EQ(fetcher.at("exit-on-last-event"), "");
  EXPECT_EQ(fetcher.at("types"), "NAME,…");
  EXPECT_FALSE(fetcher.contains("fluentd-url"));
  const auto shipper = names(Program::kShipper);
  EXPECT_EQ(shipper.at("fluentd-url"), "URL");
  EXPECT_EQ(shipper.at("batch-bytes"), "SIZE");
  EXPECT_FALSE(shipper.contains("teleport-addr"));
  const auto queuectl = names(Program::kQueuectl);
  EXPECT_EQ(queuectl.at("queue-path"), "FOLDER");
  EXPECT_EQ(queuectl.at("max-size"), "SIZE");
  EXPECT_FALSE(queuectl.contains("teleport-addr"));
  EXPECT_FALSE(queuectl.contains("fluentd-url"));
}

TEST_F(ConfigTest, TheDefaultsOfTheTableAreThoseOfTheStructs) {
  Config from_table;
  for (const Setting& setting : settings()) {
    if (setting.initial.empty() || setting.assign == nullptr || setting.name == "queue-path") {
      continue;
    }
    const auto value =
        parse_value(setting.type, setting.bounds,
                    RawValue{RawValue::Kind::kText, std::string(setting.initial), {}}, Origin{});
    ASSERT_TRUE(value) << value.error().message;
    setting.assign(*value, &from_table);
  }
  const Config usual;
  EXPECT_EQ(from_table.debug, usual.debug);
  EXPECT_EQ(from_table.teleport.addr, usual.teleport.addr);
  EXPECT_EQ(from_table.teleport.refresh_interval, usual.teleport.refresh_interval);
  EXPECT_EQ(from_table.fetcher.skip_session_types, usual.fetcher.skip_session_types);
  EXPECT_EQ(from_table.fetcher.poll_interval, usual.fetcher.poll_interval);
  EXPECT_EQ(from_table.fetcher.window_size, usual.fetcher.window_size);
  EXPECT_EQ(from_table.fetcher.search_overlap, usual.fetcher.search_overlap);
  EXPECT_EQ(from_table.fetcher.page_size, usual.fetcher.page_size);
  EXPECT_EQ(from_table.fetcher.concurrency, usual.fetcher.concurrency);
  EXPECT_EQ(from_table.fetcher.late_days, usual.fetcher.late_days);
  EXPECT_EQ(from_table.fetcher.buffer_bytes, usual.fetcher.buffer_bytes);
  EXPECT_EQ(from_table.fetcher.exit_on_last_event, usual.fetcher.exit_on_last_event);
  EXPECT_EQ(from_table.shipper.connections, usual.shipper.connections);
  EXPECT_EQ(from_table.shipper.batch_events, usual.shipper.batch_events);
  EXPECT_EQ(from_table.shipper.batch_bytes, usual.shipper.batch_bytes);
  EXPECT_EQ(from_table.shipper.request_timeout, usual.shipper.request_timeout);
  EXPECT_EQ(from_table.shipper.retry_min, usual.shipper.retry_min);
  EXPECT_EQ(from_table.shipper.retry_max, usual.shipper.retry_max);
  EXPECT_EQ(from_table.shipper.exit_when_drained, usual.shipper.exit_when_drained);
}

}  // namespace
}  // namespace sluice
