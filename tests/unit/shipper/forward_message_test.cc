#include "shipper/fluentd/forward_message.h"

#include <gtest/gtest.h>

#include <string_view>

namespace sluice::shipper::fluentd {
namespace {

using namespace std::string_view_literals;

// "HELO" with a nonce of 2 bytes, no salt, and no keepalive.
constexpr auto kHelo =
    "\x92\xa4HELO\x83\xa5nonce\xc4\x02\x00\xff\xa4"
    "auth\xc4\x00\xa9keepalive\xc2"sv;
constexpr auto kPong =
    "\x95\xa4PONG\xc3\xa0\xa1h\xa6"
    "digest"sv;
constexpr auto kAck =
    "\x81\xa3"
    "ack\xa4"
    "id=="sv;

template <typename T>
T take(std::string_view bytes) {
  std::string buffer(bytes);
  auto message = take_server_message(&buffer);
  EXPECT_TRUE(message && *message);
  EXPECT_TRUE(buffer.empty());
  return std::get<T>(**message);
}

TEST(ForwardMessage, HeloPongAndAckAreRead) {
  const auto helo = take<Helo>(kHelo);
  EXPECT_EQ(helo.nonce, "\x00\xff"sv);
  EXPECT_EQ(helo.auth_salt, "");
  EXPECT_FALSE(helo.keepalive);
  const auto pong = take<Pong>(kPong);
  EXPECT_TRUE(pong.accepted);
  EXPECT_EQ(pong.server_hostname, "h");
  EXPECT_EQ(pong.digest, "digest");
  EXPECT_EQ(take<Pong>("\x93\xa4PONG\xc2\xa3why"sv).reason, "why");
  EXPECT_EQ(take<Ack>(kAck).chunk, "id==");
}

TEST(ForwardMessage, MessagesArriveInAnyPieces) {
  std::string buffer;
  std::size_t taken = 0;
  for (const std::string_view message : {kHelo, kPong, kAck, kAck}) {
    for (const char byte : message) {
      buffer.push_back(byte);
      const auto got = take_server_message(&buffer);
      ASSERT_TRUE(got);
      taken += got->has_value() ? 1 : 0;
    }
    EXPECT_TRUE(buffer.empty());
  }
  EXPECT_EQ(taken, 4U);
}

TEST(ForwardMessage, WhatIsBehindAMessageStays) {
  std::string buffer = std::string(kAck) + std::string(kPong);
  ASSERT_TRUE(take_server_message(&buffer)->has_value());
  EXPECT_EQ(buffer, kPong);
}

TEST(ForwardMessage, AnythingElseIsNoServerOfThisProtocol) {
  for (const std::string_view bytes :
       {"HTTP/1.1 400"sv, "\xc0"sv, "\x90"sv, "\x91\xa4NONE"sv, "\x80"sv, "\x81\xa3nak\xa1x"sv,
        "\x81\xa3"
        "ack\x01"sv,
        "\x92\xa4HELO\x80"sv, "\x92\xa4PONG\xa1x"sv,
        "\xc1"sv,                                 // no type
        "\xdd\xff\xff\xff\xff"sv,                 // 4 Gi members
        "\x91\x91\x91\x91\x91\x91\x91\xc0"sv}) {  // too deep
    std::string buffer(bytes);
    const auto message = take_server_message(&buffer);
    ASSERT_FALSE(message) << bytes;
    EXPECT_EQ(message.error().kind, ErrorKind::kRejected);
  }
}

TEST(ForwardMessage, OneThatDoesNotEndIsGivenUp) {
  std::string buffer("\xdc\x00\x10", 3);  // 16 parts
  std::size_t longest = 0;
  while (true) {
    buffer += std::string("\xda\x0f\xff", 3) + std::string(4095, 'x');
    const auto message = take_server_message(&buffer);
    if (!message) break;
    longest = buffer.size();
    ASSERT_LT(longest, 2 * kServerMessageBytesMax);
  }
  EXPECT_GT(longest, kServerMessageBytesMax / 2);
}

TEST(ForwardMessage, PingHasItsSixParts) {
  EXPECT_EQ(ping_message({.self_hostname = "h",
                          .key_salt = "\xff",
                          .key_digest = "d",
                          .username = "u",
                          .password_digest = "p"}),
            "\x96\xa4PING\xa1h\xc4\x01\xff\xa1"
            "d\xa1u\xa1p"sv);
}

TEST(ForwardMessage, AChunkIsTagEntriesAndOptions) {
  const auto plain =
      chunk_frame({.tag = "a.b", .id = "id", .events = 2, .entries_bytes = 300, .gzip = false});
  EXPECT_EQ(plain.head,
            "\x93\xa3"
            "a.b\xc5\x01\x2c"sv);
  EXPECT_EQ(plain.tail,
            "\x82\xa5"
            "chunk\xa2id\xa4size\x02"sv);
  const auto packed =
      chunk_frame({.tag = "a.b", .id = "id", .events = 2, .entries_bytes = 3, .gzip = true});
  EXPECT_EQ(packed.head,
            "\x93\xa3"
            "a.b\xc4\x03"sv);
  EXPECT_EQ(packed.tail,
            "\x83\xa5"
            "chunk\xa2id\xa4size\x02\xaa"
            "compressed\xa4gzip"sv);
}

}  // namespace
}  // namespace sluice::shipper::fluentd
