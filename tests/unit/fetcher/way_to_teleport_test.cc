// What is parsed on the way to Teleport's Auth service: the answers of proxies and load balancers.
#include <gtest/gtest.h>

#include <string>

#include "fetcher/teleport/dial.h"
#include "fetcher/teleport/http_head.h"
#include "fetcher/teleport/http_proxy.h"
#include "fetcher/teleport/web_find.h"
#include "fetcher/teleport/web_socket.h"

namespace sluice::fetcher {
namespace {

// --- HTTP heads

using State = HttpHeadReader::State;

TEST(HttpHead, IsReadFromPiecesOfAnySize) {
  const std::string text =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Empty:\r\n"
      "Sec-WebSocket-Protocol:\t alpn \r\n\r\nrest";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    HttpHeadReader reader;
    State state = State::kMore;
    std::size_t at = 0;
    for (; state == State::kMore && at < text.size(); at += size) {
      state = reader.feed(std::string_view(text).substr(at, size));
    }
    ASSERT_EQ(state, State::kDone) << size;
    EXPECT_EQ(reader.head().status, 101);
    EXPECT_EQ(reader.head().reason, "Switching Protocols");
    EXPECT_EQ(reader.head().field("upgrade"), "websocket");
    EXPECT_EQ(reader.head().field("sec-websocket-protocol"), "alpn");
    EXPECT_EQ(reader.head().field("x-empty"), "");
    EXPECT_EQ(reader.head().field("absent"), "");
    EXPECT_TRUE(std::string_view("rest").starts_with(reader.rest())) << reader.rest();
  }
}

TEST(HttpHead, NeedsNoReasonAndNoFields) {
  HttpHeadReader reader;
  ASSERT_EQ(reader.feed("HTTP/1.0 200\r\n\r\n"), State::kDone);
  EXPECT_EQ(reader.head().status, 200);
  EXPECT_EQ(reader.rest(), "");
}

TEST(HttpHead, RefusesWhatIsNoHttp) {
  for (const char* text : {"SSH-2.0-Teleport\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
                           "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "\r\n\r\n"}) {
    EXPECT_EQ(HttpHeadReader().feed(text), State::kMalformed) << text;
  }
}

TEST(HttpHead, HasAnEnd) {
  HttpHeadReader reader;
  State state = reader.feed("HTTP/1.1 200 OK\r\n");
  for (int i = 0; state == State::kMore && i < 10'000; ++i) state = reader.feed("A: b\r\n");
  EXPECT_EQ(state, State::kMalformed);
}

TEST(HttpHead, MayHaveTheSameSizeHoweverItIsCut) {
  const std::string start = "HTTP/1.1 200 OK\r\nA: ";
  for (const std::size_t more : {0, 1}) {
    const std::string head =
        start + std::string(HttpHeadReader::kBytesMax - start.size() + more, 'x') + "\r\n\r\n";
    const State expected = more == 0 ? State::kDone : State::kMalformed;
    EXPECT_EQ(HttpHeadReader().feed(head), expected);
    HttpHeadReader reader;
    State state = State::kMore;
    for (std::size_t i = 0; state == State::kMore && i < head.size(); ++i) {
      state = reader.feed({&head[i], 1});
    }
    EXPECT_EQ(state, expected);
  }
}

// --- WebSocket

struct Decoded {
  bool ok = true;
  std::string payload;
  std::string replies;
};

Decoded decode(std::string_view bytes, std::size_t piece) {
  WebSocketDecoder decoder;
  Decoded decoded;
  for (; decoded.ok && !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    decoded.ok = decoder.feed(bytes.substr(0, piece), &decoded.payload, &decoded.replies);
  }
  return decoded;
}

TEST(WebSocket, OwnFramesAreReadInPiecesOfAnySize) {
  std::string expected;
  std::string bytes;
  for (const std::size_t size : {0, 1, 125, 126, 127, 65'535, 65'536, 100'000}) {
    const std::string payload(size, static_cast<char>('a' + size % 26));
    append_frame(WebSocketOpcode::kBinary, payload, &bytes);
    expected += payload;
  }
  for (const std::size_t piece : {1UL, 2UL, 7UL, 1000UL, bytes.size()}) {
    const Decoded decoded = decode(bytes, piece);
    EXPECT_TRUE(decoded.ok);
    EXPECT_EQ(decoded.payload, expected);
    EXPECT_EQ(decoded.replies, "");
  }
}

TEST(WebSocket, FramesOfAServerAreReadWithAndWithoutMask) {
  // RFC 6455, 5.7: "Hello", unmasked, masked, and in two fragments.
  const std::string unmasked = "\x82\x05Hello";
  const std::string masked("\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
  const std::string fragments = "\x02\x03Hel\x80\x02lo";
  for (std::size_t piece = 1; piece < 12; ++piece) {
    EXPECT_EQ(decode(unmasked + masked + fragments, piece).payload, "HelloHelloHello");
  }
}

TEST(WebSocket, APingIsAnsweredWithItsPayload) {
  std::string expected;
  append_frame(WebSocketOpcode::kPong, "Hello", &expected);
  EXPECT_EQ(decode("\x89\x05Hello", 1).replies, expected);
}

TEST(WebSocket, ACloseIsAnsweredAndEndsIt) {
  WebSocketDecoder decoder;
  std::string payload;
  std::string replies;
  EXPECT_TRUE(decoder.feed(std::string("\x88\x02\x03\xe8", 4), &payload, &replies));
  EXPECT_TRUE(decoder.closed());
  std::string expected;
  append_frame(WebSocketOpcode::kClose, std::string("\x03\xe8", 2), &expected);
  EXPECT_EQ(replies, expected);
  EXPECT_FALSE(decoder.feed("\x82\x01x", &payload, &replies));
}

TEST(WebSocket, RefusesWhatIsNone) {
  EXPECT_FALSE(decode("HTTP/1.1", 8).ok);
  EXPECT_FALSE(decode(std::string("\x83\x00", 2), 2).ok) << "an opcode that there is not";
  EXPECT_FALSE(decode(std::string("\x09\x00", 2), 2).ok) << "a fragmented ping";
  EXPECT_FALSE(decode(std::string("\x89\x7e\x00\x80", 4), 4).ok) << "a long ping";
  EXPECT_FALSE(decode("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10).ok) << "more than there is";
}

TEST(WebSocket, AcceptIsThatOfTheStandard) {
  EXPECT_EQ(web_socket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

// --- /webapi/find

TEST(ProxyFacts, AreReadFromTheAnswer) {
  const auto facts = parse_proxy_facts(
      R"({"auth":{},"proxy":{"tls_routing_enabled":true,"ssh":{}},"cluster_name":"a.example"})");
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->cluster, "a.example");
  EXPECT_TRUE(facts->tls_routing);
}

TEST(ProxyFacts, OfAnOldProxyHaveNoTlsRouting) {
  EXPECT_FALSE(parse_proxy_facts(R"({"proxy":{},"cluster_name":"a"})")->tls_routing);
  EXPECT_FALSE(parse_proxy_facts(R"({"cluster_name":"a"})")->tls_routing);
}

TEST(ProxyFacts, RefuseWhatIsNoAnswer) {
  const std::string long_name(300, 'x');
  for (const std::string& text :
       {std::string(""), std::string("<html>"), std::string("[]"), std::string("{}"),
        std::string(R"({"cluster_name":7})"), std::string(R"({"cluster_name":""})"),
        R"({"cluster_name":")" + long_name + R"("})"}) {
    const auto facts = parse_proxy_facts(text);
    ASSERT_FALSE(facts) << text;
    EXPECT_EQ(facts.error().kind, ErrorKind::kRejected);
  }
}

// A longer name would end the process when it is asked for.
TEST(ProxyFacts, NameNoClusterThatCannotBeAskedFor) {
  const auto named = [](std::size_t size) {
    return parse_proxy_facts(R"({"cluster_name":")" + std::string(size, 'x') + R"("})");
  };
  ASSERT_TRUE(named(kClusterBytesMax));
  EXPECT_EQ(auth_protocol(named(kClusterBytesMax)->cluster).size(), 255U);
  EXPECT_FALSE(named(kClusterBytesMax + 1));
}

TEST(AuthProtocol, HasTheClustersNameInHex) {
  EXPECT_EQ(auth_protocol("root.example.com"),
            "teleport-auth@726f6f742e6578616d706c652e636f6d.teleport.cluster.local");
}

// --- HTTPS_PROXY

const HostPort kAuth{"auth.example.com", "3025"};

TEST(HttpProxyChoice, ReadsHostPortAndUser) {
  const auto plain = proxy_for(kAuth, "http://proxy.example.com:3128", "");
  ASSERT_TRUE(plain && *plain);
  EXPECT_EQ((*plain)->address.to_string(), "proxy.example.com:3128");
  EXPECT_EQ((*plain)->credentials, "");
  const auto full = proxy_for(kAuth, "http://anna:p%40s%3As@[2001:db8::1]:8080/", "");
  ASSERT_TRUE(full && *full);
  EXPECT_EQ((*full)->address.to_string(), "[2001:db8::1]:8080");
  EXPECT_EQ((*full)->credentials, "anna:p@s:s");
  EXPECT_EQ((*proxy_for(kAuth, "proxy", ""))->address.to_string(), "proxy:80");
}

TEST(HttpProxyChoice, IsNoneForThisMachineAndForExceptions) {
  const auto chosen = [](const char* host, const char* no_proxy) {
    return proxy_for({host, "3025"}, "http://proxy:3128", no_proxy)->has_value();
  };
  EXPECT_TRUE(chosen("auth.example.com", ""));
  EXPECT_TRUE(chosen("auth.example.com", "other.com,ample.com, b.auth.example.com"));
  for (const char* no_proxy :
       {"*", "auth.example.com", ".example.com", "a.b, example.com", "auth.example.com:3025"}) {
    EXPECT_FALSE(chosen("auth.example.com", no_proxy)) << no_proxy;
  }
  for (const char* host : {"localhost", "127.0.0.1", "::1"}) EXPECT_FALSE(chosen(host, "")) << host;
  EXPECT_FALSE(proxy_for(kAuth, "", "")->has_value());
}

TEST(HttpProxyChoice, RefusesWhatCannotBeUsed) {
  EXPECT_EQ(proxy_for(kAuth, "socks5://proxy:1080", "").error().kind, ErrorKind::kConfig);
  EXPECT_EQ(proxy_for(kAuth, "http://:3128", "").error().kind, ErrorKind::kConfig);
}

// --- Addresses

TEST(Address, IsSplitIntoHostAndPort) {
  EXPECT_EQ(split_address("a.example:443", "3025").to_string(), "a.example:443");
  EXPECT_EQ(split_address("a.example", "3025").to_string(), "a.example:3025");
  EXPECT_EQ(split_address("[::1]:443", "3025").to_string(), "[::1]:443");
  EXPECT_EQ(split_address("[::1]", "3025").to_string(), "[::1]:3025");
  EXPECT_EQ(split_address("[::1]:443", "3025").host, "::1");
}

}  // namespace
}  // namespace sluice::fetcher
