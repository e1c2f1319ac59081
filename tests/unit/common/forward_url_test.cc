#include "common/forward_url.h"

#include <gtest/gtest.h>

#include <utility>

namespace sluice {
namespace {

TEST(ForwardUrl, HasHostPortAndTag) {
  const auto url = parse_forward_url("forward+tls://fluentd.example.com:24225/test.log");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "fluentd.example.com");
  EXPECT_EQ(url->port, "24225");
  EXPECT_EQ(url->tag, "test.log");
  EXPECT_EQ(url->server(), "forward+tls://fluentd.example.com:24225");
}

TEST(ForwardUrl, ThePortIsFluentdsIfNoneIsGiven) {
  const auto url = parse_forward_url("forward://[2001:db8::1]/a");
  ASSERT_TRUE(url);
  EXPECT_FALSE(url->tls);
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->port, "24224");
  EXPECT_EQ(url->server(), "forward://[2001:db8::1]:24224");
}

TEST(ForwardUrl, TheTagIsMadeOfThePathAsInTheHttpInput) {
  for (const auto& [path, tag] :
       {std::pair{"/test.log", "test.log"}, std::pair{"/a/b/c", "a.b.c"},
        std::pair{"/a//b", "a..b"}, std::pair{"/test.log/", "test.log"},
        std::pair{"/test%2Elog", "test%2Elog"}, std::pair{"/test.log;v=1", "test.log;v=1"},
        std::pair{"/session.12-34.log", "session.12-34.log"}}) {
    const auto url = parse_forward_url(std::string("forward://f") + path);
    ASSERT_TRUE(url) << path;
    EXPECT_EQ(url->tag, tag);
  }
}

TEST(ForwardUrl, WhatIsMissingOrTooMuchIsSaid) {
  const char* const form =
      "but must have HOST or HOST:PORT in it, with an IPv6 address in brackets and a port from 1 "
      "to "
      "65535";
  for (const auto& [url, complaint] :
       {std::pair{"forward://", "but has no host"}, std::pair{"forward:///tag", "but has no host"},
        std::pair{"forward://:24224/tag", "but has no host"},
        std::pair{"forward://f", "but has no tag: put one behind its host, as in /test.log"},
        std::pair{"forward://f//tag", "but its path begins with two slashes"},
        std::pair{"forward://f:0/tag", form}, std::pair{"forward://f:x/tag", form},
        std::pair{"forward://[::1/tag", form}, std::pair{"forward://2001:db8::1/tag", form},
        std::pair{"forward://f/a b", "but must have no spaces in it"},
        std::pair{"forward://f/a?b=1",
                  "but must have no ? or #, which the forward protocol has no use for"},
        std::pair{"forward://anna:secret@f/tag",
                  "but must have no user in it: use forward.fluentd.username and "
                  "forward.fluentd.password-file"}}) {
    const auto parsed = parse_forward_url(url);
    ASSERT_FALSE(parsed) << url;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kConfig);
    EXPECT_EQ(parsed.error().message, complaint) << url;
  }
}

TEST(ForwardUrl, IsKnownByItsScheme) {
  EXPECT_TRUE(is_forward_url("forward://f"));
  EXPECT_TRUE(is_forward_url("forward+tls://f"));
  EXPECT_FALSE(is_forward_url("https://f"));
  EXPECT_FALSE(is_forward_url("forward:f"));
}

}  // namespace
}  // namespace sluice
