#include "shipper/fluentd/forward_handshake.h"

#include <gtest/gtest.h>

#include "tests/unit/common/temp_folder.h"

namespace sluice::shipper::fluentd {
namespace {

TEST(ForwardHandshake, DigestsAreThoseOfSha512InLowerCase) {
  // The standard's own example.
  const char* const digest_of_abc =
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
  EXPECT_EQ(sha512_hex({"abc"}), digest_of_abc);
  EXPECT_EQ(sha512_hex({"a", "", "bc"}), digest_of_abc);
}

TEST(ForwardHandshake, PingAndPongAreMadeAsTheSpecificationSays) {
  const TempFolder folder;
  auto handshake = ForwardHandshake::begin({.shared_key_file = folder.write("key", "secret\r\n"),
                                            .username = "anna",
                                            .password_file = folder.write("password", "pw\n")});
  ASSERT_TRUE(handshake) << handshake.error().message;
  const Ping ping = handshake->ping({.nonce = "nonce", .auth_salt = "users", .keepalive = true});
  EXPECT_EQ(ping.key_salt.size(), 16U);
  EXPECT_EQ(ping.key_digest, sha512_hex({ping.key_salt, ping.self_hostname, "nonce", "secret"}));
  EXPECT_EQ(ping.username, "anna");
  EXPECT_EQ(ping.password_digest, sha512_hex({"users", "anna", "pw"}));

  Pong pong{.accepted = true,
            .reason = "",
            .server_hostname = "server.test",
            .digest = sha512_hex({ping.key_salt, "server.test", "nonce", "secret"})};
  EXPECT_TRUE(handshake->check(pong));
  for (const std::string& digest : {std::string(), std::string(128, '0'), pong.digest + "0"}) {
    pong.digest = digest;
    EXPECT_EQ(handshake->check(pong).error().kind, ErrorKind::kUnauthorized);
  }
}

TEST(ForwardHandshake, AUserIsNamedOnlyToAServerThatAsks) {
  const TempFolder folder;
  auto handshake = ForwardHandshake::begin({.shared_key_file = folder.write("key", "secret"),
                                            .username = "anna",
                                            .password_file = folder.write("password", "pw")});
  const Ping ping = handshake->ping({.nonce = "nonce", .auth_salt = "", .keepalive = true});
  EXPECT_EQ(ping.username, "");
  EXPECT_EQ(ping.password_digest, "");
}

TEST(ForwardHandshake, EachHasASaltOfItsOwn) {
  const TempFolder folder;
  const ForwardSecurity security{.shared_key_file = folder.write("key", "secret")};
  auto first = ForwardHandshake::begin(security);
  auto second = ForwardHandshake::begin(security);
  EXPECT_NE(first->ping({}).key_salt, second->ping({}).key_salt);
}

TEST(ForwardHandshake, CannotBeginWithoutTheSecrets) {
  const TempFolder folder;
  EXPECT_EQ(ForwardHandshake::begin({.shared_key_file = folder.path() / "absent"}).error().kind,
            ErrorKind::kConfig);
  const auto empty = ForwardHandshake::begin({.shared_key_file = folder.write("key", "\n")});
  EXPECT_EQ(empty.error().kind, ErrorKind::kConfig);
  EXPECT_TRUE(empty.error().message.ends_with("is empty, but must hold the shared key"));
}

}  // namespace
}  // namespace sluice::shipper::fluentd
