#include "adopt/old_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::adopt {
namespace {

constexpr std::string_view kText = R"(# über alles
storage = "./storage" # here
timeout = "10s"

[forward.fluentd]
ca = '/old/ca.crt'
cert = "/old/ü.crt"
"key" = "/old/client.key"
url = "https://localhost:8888/events.log"

[teleport]
addr = "teleport.example.com:443"
identity = "identity"
refresh.enabled = true
)";

TEST(OldConfig, FindsItsPaths) {
  const auto config = OldConfig::parse(std::string(kText));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->paths().size(), 5U);
  EXPECT_EQ(config->paths().at("storage").value, "./storage");
  EXPECT_EQ(config->paths().at("fluentd-ca").value, "/old/ca.crt");
  EXPECT_EQ(config->paths().at("fluentd-cert").value, "/old/ü.crt");
  EXPECT_EQ(config->paths().at("fluentd-key").value, "/old/client.key");
  EXPECT_EQ(config->paths().at("teleport-identity").value, "identity");
  EXPECT_TRUE(config->renews_identity());
}

TEST(OldConfig, ReplacesPathsAndKeepsEveryOtherByte) {
  const auto config = OldConfig::parse(std::string(kText));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->with({}), kText);
  EXPECT_EQ(config->with({{"storage", "/var/lib/s"},
                          {"fluentd-ca", "/etc/a \"quoted\".crt"},
                          {"fluentd-cert", "/etc/c.crt"},
                          {"teleport-key", "/not/in/it"}}),
            R"(# über alles
storage = "/var/lib/s" # here
timeout = "10s"

[forward.fluentd]
ca = "/etc/a \"quoted\".crt"
cert = "/etc/c.crt"
"key" = "/old/client.key"
url = "https://localhost:8888/events.log"

[teleport]
addr = "teleport.example.com:443"
identity = "identity"
refresh.enabled = true
)");
}

TEST(OldConfig, KnowsUpstreamsOtherSpellings) {
  const auto config = OldConfig::parse(
      "teleport-identity = \"/i\"\nfluentd-ca = \"/c\"\n[forward]\nfluentd.key = \"/k\"\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->paths().at("teleport-identity").value, "/i");
  EXPECT_EQ(config->paths().at("fluentd-key").value, "/k");
  EXPECT_FALSE(config->renews_identity());
}

TEST(OldConfig, RefusesWhatIsNoToml) {
  const auto config = OldConfig::parse("storage = ./storage\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind, ErrorKind::kConfig);
}

}  // namespace
}  // namespace sluice::adopt
