#include "shipper/configure/texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <toml++/toml.h>
#include <sstream>
#include <vector>

#include "shipper/configure/configure.h"

namespace sluice::shipper::configure {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

Plan plan() {
  Options options;
  options.out = "/tmp/new";
  options.addr = "teleport.example.com:443";
  options.dns_names = {"fluentd.example.com"};
  options.fluentd_keys = "/keys";
  options.fluentd_data = "/data";
  auto made = make_plan(options, {.seconds = 1'800'000'000, .nanos = 0});
  EXPECT_TRUE(made) << made.error().message;
  return made.value_or(Plan{});
}

// What is no comment, without the blanks around it.
std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const auto begin = line.find_first_not_of(' ');
    if (begin != std::string::npos && line[begin] != '#') found.push_back(line.substr(begin));
  }
  return found;
}

// The lines of each section that begins with `head`, up to its end.
std::vector<std::vector<std::string>> sections(const std::string& text, const std::string& head) {
  const std::string end = "</" + head.substr(1, head.find_first_of(" >") - 1) + ">";
  std::vector<std::vector<std::string>> found;
  bool inside = false;
  for (const std::string& line : lines(text)) {
    if (line.starts_with(head)) {
      found.emplace_back();
      inside = true;
    } else if (line == end) {
      inside = false;
    } else if (inside) {
      found.back().push_back(line);
    }
  }
  return found;
}

TEST(FluentConf, TakesRequestsOfCertificatesOfItsAuthorityOnlyByTls12And13) {
  const Plan made = plan();
  EXPECT_THAT(sections(fluent_conf(made), "<transport tls>"),
              ElementsAre(IsSupersetOf(std::vector<std::string>{
                  "client_cert_auth true", "ca_path '/keys/ca.crt'", "cert_path '/keys/server.crt'",
                  "private_key_path '/keys/server.key'",
                  "private_key_passphrase '" + made.certificates.server_passphrase + "'",
                  "min_version TLS1_2", "max_version TLS1_3"})));
}

TEST(FluentConf, KeepsTheTimeWithItsZone) {
  EXPECT_THAT(sections(fluent_conf(plan()), "<parse>"),
              ElementsAre(ElementsAre("@type json", "time_type string", "time_format %iso8601",
                                      "keep_time_key true")));
}

TEST(FluentConf, EachOutputHasAFileBufferThatGivesNothingUp) {
  const std::string text = fluent_conf(plan());
  const auto buffers = sections(text, "<buffer");
  EXPECT_EQ(buffers.size(), 3);
  EXPECT_EQ(sections(text, "<match").size(), 3);
  EXPECT_THAT(buffers, Each(IsSupersetOf(std::vector<std::string>{
                           "@type file", "overflow_action throw_exception", "retry_forever true",
                           "chunk_limit_size 256m", "flush_thread_count 1"})));
}

TEST(FluentConf, HasNothingThatLosesEvents) {
  const std::string text = fluent_conf(plan());
  EXPECT_THAT(lines(text), Each(AllOf(Not(HasSubstr("drop_oldest_chunk")), Not(HasSubstr("memory")),
                                      Not(HasSubstr("@ERROR")), Not(HasSubstr("@type copy")))));
  for (const auto& source : sections(text, "<source>")) {
    EXPECT_THAT(source, Each(Not(testing::StartsWith("<buffer"))));
  }
}

TEST(FluentConf, EveryTagLeadsToAnOutput) {
  const auto label = sections(fluent_conf(plan()), "<label @SLUICE>");
  ASSERT_EQ(label.size(), 1);
  EXPECT_THAT(label[0], IsSupersetOf(std::vector<std::string>{
                            "<match events.log>", "<match session.*.log>", "<match **>"}));
}

TEST(FluentConf, TheMonitorAnswersOnItsOwnMachineOnly) {
  EXPECT_THAT(sections(fluent_conf(plan()), "<source>"),
              Contains(ElementsAre("@type monitor_agent", "@id sluice_monitor", "bind 127.0.0.1",
                                   "port 24220")));
}

TEST(FluentConf, WithForwardHasAForwardInputWithTheSameTls) {
  Plan made = plan();
  const auto transport = sections(fluent_conf(made), "<transport tls>");
  made.forward = true;
  made.port = 24224;
  const std::string text = fluent_conf(made);
  EXPECT_EQ(sections(text, "<transport tls>"), transport);
  EXPECT_THAT(lines(text), AllOf(Contains("@type forward"), Contains("port 24224"),
                                 Not(Contains("@type http")), Not(Contains("<parse>"))));
}

TEST(RoleYaml, MayListEventsAndReadRecordingsAndLocksOnlyIfAskedFor) {
  Plan made = plan();
  made.role_name = "export";
  EXPECT_THAT(lines(role_yaml(made)),
              AllOf(Contains("- resources: [event, session]"), Contains("verbs: [list, read]"),
                    Contains("name: \"export\"").Times(2), Contains("roles: [\"export\"]").Times(2),
                    Contains("users: [\"export\"]"), Not(Contains(HasSubstr("lock")))));
  made.lock_enabled = true;
  EXPECT_THAT(lines(role_yaml(made)),
              AllOf(Contains("- resources: [lock]"), Contains("verbs: [create, update]")));
}

TEST(TbotYaml, NamesWhatTheAddressIsOf) {
  Plan made = plan();
  EXPECT_THAT(lines(tbot_yaml(made)), Contains("proxy_server: \"teleport.example.com:443\""));
  made.teleport_addr = "auth.example.com:3025";
  made.teleport_is_auth = true;
  EXPECT_THAT(lines(tbot_yaml(made)), Contains("auth_server: \"auth.example.com:3025\""));
}

TEST(SluiceToml, HasWhatBothDaemonsNeed) {
  Plan made = plan();
  const auto table = toml::parse(sluice_toml(made));
  EXPECT_EQ(table["teleport"]["addr"].value_or(""), std::string("teleport.example.com:443"));
  EXPECT_EQ(table["teleport"]["identity"].value_or(""), std::string("identity"));
  const auto fluentd = table["forward"]["fluentd"];
  EXPECT_EQ(fluentd["url"].value_or(""),
            std::string("https://fluentd.example.com:8888/events.log"));
  EXPECT_EQ(fluentd["session-url"].value_or(""),
            std::string("https://fluentd.example.com:8888/session"));
  EXPECT_EQ(fluentd["ca"].value_or(""), std::string("ca.crt"));
  EXPECT_EQ(fluentd["cert"].value_or(""), std::string("client.crt"));
  EXPECT_EQ(fluentd["key"].value_or(""), std::string("client.key"));
  EXPECT_FALSE(table["lock-enabled"]);
  made.lock_enabled = true;
  EXPECT_TRUE(toml::parse(sluice_toml(made))["lock-enabled"].value_or(false));
}

TEST(SluiceToml, NamesTheMonitorThatFluentConfMakes) {
  std::string text = sluice_toml(plan());
  for (auto at = text.find("\n# "); at != std::string::npos; at = text.find("\n# ", at)) {
    const bool is_setting =
        text.compare(at + 3, 9, "[shipper]") == 0 || text.compare(at + 3, 8, "monitor-") == 0;
    is_setting ? text.erase(at + 1, 2) : text.insert(++at, " ");
  }
  const auto table = toml::parse(text);
  const std::string url = table["shipper"]["monitor-url"].value_or("");
  EXPECT_EQ(url, "http://127.0.0.1:24220");
  const std::string conf = fluent_conf(plan());
  EXPECT_THAT(conf, HasSubstr("port 24220"));
  const auto* ids = table["shipper"]["monitor-plugin-id"].as_array();
  ASSERT_NE(ids, nullptr);
  ASSERT_EQ(ids->size(), 3U);
  for (const auto& id : *ids) {
    EXPECT_THAT(conf, HasSubstr("@id " + id.value_or(std::string("none"))));
  }
}

TEST(HelmValues, HaveTheKeysOfUpstreamsChart) {
  EXPECT_THAT(lines(helm_values(plan())),
              IsSupersetOf(std::vector<std::string>{
                  "eventHandler:", "teleport:", "address: \"teleport.example.com:443\"",
                  "identitySecretName: \"sluice-identity\"", "identitySecretPath: \"identity\"",
                  "fluentd:", "url: \"https://fluentd.example.com:8888/events.log\"",
                  "sessionUrl: \"https://fluentd.example.com:8888/session\"",
                  "certificate:", "secretName: \"sluice-client-tls\"", "caPath: \"ca.crt\"",
                  "certPath: \"client.crt\"", "keyPath: \"client.key\"",
                  "persistentVolumeClaim:", "enabled: true"}));
}

TEST(ConfigureResult, NamesEveryFileOfTheSetAndThePassphraseOnlyWhereItIsNeeded) {
  const Plan made = plan();
  const auto files = make_files(made);
  ASSERT_TRUE(files) << files.error().message;
  const std::string said = describe_result(made, "/tmp/new.before-1");
  EXPECT_THAT(said, HasSubstr("What was there is now /tmp/new.before-1.\n"));
  EXPECT_THAT(said, Not(HasSubstr(made.certificates.server_passphrase)));
  EXPECT_THAT(describe_result(made, {}), Not(HasSubstr("What was there")));
  for (const NewFile& file : *files) {
    EXPECT_THAT(said, HasSubstr("\n  " + file.name + " ")) << file.name;
    EXPECT_EQ(file.content.contains(made.certificates.server_passphrase),
              file.name == "fluent.conf")
        << file.name;
  }
}

}  // namespace
}  // namespace sluice::shipper::configure
