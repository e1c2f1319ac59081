#include "common/host_port.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(HostPort, NamesAndAddressesWithAPortAreTaken) {
  for (const char* text : {"teleport.example.com:443", "localhost:3025", "10.0.0.1:1",
                           "[::1]:65535", "[fe80::1%25]:3025", "auth_1:3025"}) {
    EXPECT_TRUE(is_host_port(text)) << text;
  }
}

TEST(HostPort, EverythingElseIsRefused) {
  for (const char* text :
       {"", "teleport.example.com", ":443", "t:", "t:0", "t:65536", "t:44x", "::1:443", "[]:443",
        "[::1]", "https://t:443", "t:443/", "user@t:443", "a b:443", "a\n:443"}) {
    EXPECT_FALSE(is_host_port(text)) << text;
  }
}

TEST(HostPort, NothingThatEndsAQuotedTextIsTaken) {
  for (const char* text : {"a\"b:443", "a'b:443", "a\\b:443", "[\"]:443"}) {
    EXPECT_FALSE(is_host_port(text)) << text;
  }
}

}  // namespace
}  // namespace sluice
