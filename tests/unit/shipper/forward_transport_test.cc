#include "shipper/fluentd/forward_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <future>
#include <optional>
#include <set>
#include <thread>

#include "common/owned_fd.h"
#include "tests/unit/common/temp_folder.h"
#include "tests/unit/shipper/tiny_forward_server.h"

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using Message = TinyForwardServer::Message;

// As Batch makes it: how many entries, then they.
std::string body_of(const std::string& entries, char count = 1) {
  return std::string("\xce\0\0\0", 4) + count + entries;
}

std::vector<Answer> wait_for(ForwardTransport* transport, std::size_t count) {
  std::vector<Answer> answers;
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (answers.size() < count && std::chrono::steady_clock::now() < deadline) {
    for (auto& answer : transport->poll(seconds(1))) answers.push_back(std::move(answer));
  }
  return answers;
}

// What becomes of one chunk.
Answer answer_to(ForwardTransport* transport, const std::string& url,
                 const std::string& entries = "entries") {
  static std::uint64_t id = 0;
  transport->start(++id, url, body_of(entries));
  auto answers = wait_for(transport, 1);
  EXPECT_EQ(answers.size(), 1U);
  if (answers.empty()) return {};
  EXPECT_EQ(answers[0].request_id, id);
  return answers[0];
}

std::string acknowledge(const Message& message) { return message.ack(); }

// What a server with a shared key does.
class Security {
 public:
  explicit Security(std::string key) : key_(std::move(key)) {}

  std::string helo() const {
    return pack([&](auto& packer) {
      packer.pack_array(2);
      packer.pack(std::string("HELO"));
      packer.pack_map(3);
      packer.pack(std::string("nonce"));
      packer.pack(nonce_);
      packer.pack(std::string("auth"));
      packer.pack(auth_salt_);
      packer.pack(std::string("keepalive"));
      packer.pack(keepalive);
    });
  }

  // PONG to a PING, an acknowledgement to a chunk.
  std::string answer(const Message& message) {
    if (!message.is_ping()) return message.ack();
    const auto text = [&](std::uint32_t i) { return message.part(i).as<std::string>(); };
    const auto& bin = message.part(2).via.bin;
    const std::string salt(bin.ptr, bin.size);
    const bool ok = text(3) == sha512_hex({salt, text(1), nonce_, key_}) &&
                    (password.empty() ||
                     (text(4) == "anna" && text(5) == sha512_hex({auth_salt_, "anna", password})));
    return pong(ok, own_name.empty() ? text(1) : own_name, salt);
  }

  bool keepalive = true;
  std::string password;  // of "anna"; empty: no user is wanted
  std::string own_name = "server.test";
  std::string pong_key;  // empty: the right one

 private:
  std::string pong(bool ok, const std::string& name, const std::string& salt) const {
    return pack([&](auto& packer) {
      packer.pack_array(5);
      packer.pack(std::string("PONG"));
      packer.pack(ok);
      packer.pack(std::string(ok ? "" : "shared_key mismatch"));
      packer.pack(ok ? name : std::string());
      packer.pack(ok ? sha512_hex({salt, name, nonce_, pong_key.empty() ? key_ : pong_key})
                     : std::string());
    });
  }

  template <typename Fill>
  static std::string pack(const Fill& fill) {
    msgpack::sbuffer packed;
    msgpack::packer<msgpack::sbuffer> packer(packed);
    fill(packer);
    return {packed.data(), packed.size()};
  }

  std::string key_;
  std::string nonce_ = std::string("\0\1nonce\xff", 8);
  std::string auth_salt_ = "salt of users";
};

// A server with the key "secret", and a client with the key that is in `folder`.
struct Secured {
  explicit Secured(const std::string& client_key = "secret\n") : folder(), security("secret") {
    options.security.shared_key_file = folder.write("key", client_key);
  }
  Answer send() {
    if (!server) {
      server.emplace([this](const Message& message) { return security.answer(message); },
                     security.helo());
      transport.emplace(options);
    }
    return answer_to(&*transport, server->url("/test.log"));
  }
  // Chunks that the server got.
  std::size_t chunks() const {
    const auto messages = server->messages();
    return static_cast<std::size_t>(
        std::ranges::count_if(messages, [](const Message& m) { return !m.is_ping(); }));
  }

  TempFolder folder;
  Security security;
  ForwardOptions options;
  std::optional<TinyForwardServer> server;
  std::optional<ForwardTransport> transport;
};

TEST(ForwardTransport, SendsChunksOneAfterTheOtherOnAKeptConnection) {
  TinyForwardServer server(&acknowledge);
  ForwardTransport transport({});
  const std::string large(3 << 20, 'x');
  std::set<std::string> ids;
  for (const std::string& entries : {std::string("\x92\x01\x80", 3), large, std::string("x")}) {
    const Answer answer = answer_to(&transport, server.url("/a/test.log"), entries);
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.failure);
    EXPECT_FALSE(answer.outcome_unknown);
    const Message chunk = server.messages().back();
    EXPECT_EQ(chunk.connection, 0U);
    EXPECT_EQ(chunk.tag(), "a.test.log");
    EXPECT_EQ(chunk.entries(), entries);
    EXPECT_EQ(chunk.option("size"), "1");
    EXPECT_EQ(chunk.option("compressed"), "");
    ids.insert(chunk.option("chunk"));
  }
  EXPECT_EQ(ids.size(), 3U);
}

TEST(ForwardTransport, PackedChunksSaySoAndAreTheEntriesAgainWhenUnpacked) {
  TinyForwardServer server(&acknowledge);
  ForwardTransport transport({.gzip = true});
  const std::string entries(1 << 20, 'x');
  EXPECT_EQ(answer_to(&transport, server.url("/t"), entries).status, 200);
  const Message chunk = server.messages().back();
  EXPECT_EQ(chunk.option("compressed"), "gzip");
  std::string packed = chunk.entries();
  std::string unpacked(entries.size(), '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(unpacked.data());
  stream.avail_out = static_cast<uInt>(unpacked.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_out, 0U);
  inflateEnd(&stream);
  EXPECT_EQ(unpacked, entries);
}

TEST(ForwardTransport, TriesTheAddressesOfAHostInTurn) {
  TinyForwardServer server(&acknowledge);  // on 127.0.0.1 only, where localhost may be ::1 first
  ForwardTransport transport({});
  EXPECT_EQ(answer_to(&transport, server.url("/t", "localhost")).status, 200);
}

TEST(ForwardTransport, ServerThatClosesBehindAChunkWasSilentAndTheOutcomeIsUnknown) {
  TinyForwardServer server([](const auto&) { return std::string(); });
  ForwardTransport transport({});
  const Answer answer = answer_to(&transport, server.url("/test.log"));
  ASSERT_TRUE(answer.failure);
  EXPECT_EQ(answer.status, 0);
  EXPECT_TRUE(answer.outcome_unknown);
  EXPECT_TRUE(answer.is_silent);
  EXPECT_EQ(answer.failure->kind, ErrorKind::kUnavailable);
  EXPECT_TRUE(answer.failure->sentence.starts_with(server.url(": "))) << answer.failure->sentence;
  EXPECT_THAT(answer.failure->sentence, HasSubstr("without acknowledging the chunk"));
}

TEST(ForwardTransport, ServerThatNeverAnswersEndsInATimeoutOfUnknownOutcome) {
  std::promise<void> release;
  TinyForwardServer server([&](const auto&) {
    release.get_future().wait();
    return std::string();
  });
  ForwardTransport transport({.request_timeout = milliseconds(300)});
  const Answer answer = answer_to(&transport, server.url("/t"));
  ASSERT_TRUE(answer.failure);
  EXPECT_TRUE(answer.outcome_unknown);
  EXPECT_TRUE(answer.is_silent);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("no acknowledgement in time"));
  release.set_value();
}

TEST(ForwardTransport, AcknowledgementOfAnotherChunkIsNone) {
  TinyForwardServer server([](const auto&) {
    return std::string(
        "\x81\xa3"
        "ack\xa1x");
  });
  ForwardTransport transport({});
  const Answer answer = answer_to(&transport, server.url("/t"));
  ASSERT_TRUE(answer.failure);
  EXPECT_TRUE(answer.outcome_unknown);
  EXPECT_FALSE(answer.is_silent);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("acknowledged another chunk"));
}

TEST(ForwardTransport, ServerOfAnotherProtocolIsToldSo) {
  TinyForwardServer server(&acknowledge, "HTTP/1.1 400 Bad Request\r\n\r\n");
  ForwardTransport transport({});
  const Answer answer = answer_to(&transport, server.url("/t"));
  ASSERT_TRUE(answer.failure);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("does not speak the forward protocol"));
}

TEST(ForwardTransport, RefusedConnectionIsAFailureWithoutDoubt) {
  std::string url;
  {
    const TinyForwardServer server(&acknowledge);
    url = server.url("/t");
  }
  ForwardTransport transport({});
  const Answer answer = answer_to(&transport, url);
  ASSERT_TRUE(answer.failure);
  EXPECT_FALSE(answer.outcome_unknown);
  EXPECT_FALSE(answer.is_silent);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("cannot connect (Connection refused)"));
}

TEST(ForwardTransport, ConnectionThatWasClosedWhileIdleIsReplacedWithoutAFailure) {
  TinyForwardServer server(&acknowledge);
  ForwardTransport transport({.dial_interval = milliseconds(1)});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(answer_to(&transport, server.url("/t")).status, 200);
    EXPECT_EQ(server.messages().back().connection, i);
    server.hang_up();
  }
}

TEST(ForwardTransport, AConnectionThatIsNeverIdleIsGivenUpAtTheEndOfItsLife) {
  TinyForwardServer server(acknowledge);
  ForwardTransport transport(
      {.dial_interval = milliseconds(1), .connection_life_max = milliseconds(0)});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer_to(&transport, server.url("/test.log")).status, 200);
  }
  EXPECT_EQ(server.accepted_at().size(), 3U);
}

TEST(ForwardTransport, AnAcknowledgementHoldsThoughTheConnectionEndsRightBehindIt) {
  TinyForwardServer server(&acknowledge);
  server.closes_behind_answer = true;
  ForwardTransport transport({.dial_interval = milliseconds(1)});
  for (std::uint64_t id = 1; id <= 10; ++id) {
    transport.start(id, server.url("/t"), body_of("x"));
    std::vector<Answer> answers;
    while (server.messages().size() < id) {
      for (auto& answer : transport.poll(milliseconds(1))) answers.push_back(std::move(answer));
    }
    // Both are there when it is looked at again.
    std::this_thread::sleep_for(milliseconds(30));
    if (answers.empty()) answers = wait_for(&transport, 1);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].status, 200);
    EXPECT_FALSE(answers[0].outcome_unknown);
  }
}

TEST(ForwardTransport, NewConnectionsAreOpenedApart) {
  TinyForwardServer server([](const Message& message) {
    std::this_thread::sleep_for(milliseconds(600));
    return message.ack();
  });
  ForwardTransport transport({.connections = 3, .dial_interval = milliseconds(100)});
  for (std::uint64_t id = 1; id <= 3; ++id) transport.start(id, server.url("/t"), body_of("x"));
  EXPECT_EQ(wait_for(&transport, 3).size(), 3U);
  auto at = server.accepted_at();
  ASSERT_EQ(at.size(), 3U);
  std::ranges::sort(at);
  // The server may see two later than they were made, and so closer to each other; not all.
  EXPECT_GE(at[2] - at[0], milliseconds(150));
}

TEST(ForwardTransport, ChunkThatWaitsForAConnectionTakesOneThatBecomesFree) {
  TinyForwardServer server(&acknowledge);
  ForwardTransport transport({.connections = 2, .dial_interval = seconds(50)});
  for (std::uint64_t id = 1; id <= 2; ++id) transport.start(id, server.url("/t"), body_of("x"));
  const auto answers = wait_for(&transport, 2);
  ASSERT_EQ(answers.size(), 2U);
  for (const Answer& answer : answers) EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(server.accepted_at().size(), 1U);
}

TEST(ForwardTransport, ChunkForAnotherServerTakesTheIdleConnectionsPlaceAsSoonAsItMay) {
  TinyForwardServer one(acknowledge);
  TinyForwardServer two(acknowledge);
  ForwardTransport transport({.connections = 1, .dial_interval = seconds(1)});
  EXPECT_EQ(answer_to(&transport, one.url("/test.log")).status, 200);
  transport.start(1000, two.url("/test.log"), body_of("entries"));
  EXPECT_EQ(transport.poll(seconds(20)).size(), 1U);
}

TEST(ForwardTransport, ChunkThatFindsNoConnectionInTimeWasNotSent) {
  std::promise<void> release;
  TinyForwardServer server([&](const Message& message) {
    release.get_future().wait();
    return message.ack();
  });
  ForwardTransport transport(
      {.connections = 2, .request_timeout = milliseconds(300), .dial_interval = seconds(50)});
  for (std::uint64_t id = 1; id <= 2; ++id) transport.start(id, server.url("/t"), body_of("x"));
  const auto answers = wait_for(&transport, 2);
  release.set_value();
  ASSERT_EQ(answers.size(), 2U);
  for (const Answer& answer : answers) {
    ASSERT_TRUE(answer.failure);
    EXPECT_EQ(answer.outcome_unknown, answer.request_id == 1);
    EXPECT_EQ(answer.is_silent, answer.request_id == 1);
  }
}

TEST(ForwardTransport, WakeEndsAPollAndIsNotLost) {
  ForwardTransport transport({});
  transport.wake();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(transport.poll(seconds(30)).empty());
  std::jthread waker([&] {
    std::this_thread::sleep_for(milliseconds(50));
    transport.wake();
  });
  EXPECT_TRUE(transport.poll(seconds(30)).empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(20));
}

TEST(ForwardTransport, CancelledChunksAreNotReported) {
  TinyForwardServer server([](const Message& message) {
    std::this_thread::sleep_for(milliseconds(100));
    return message.ack();
  });
  ForwardTransport transport({.dial_interval = milliseconds(1)});
  transport.start(1, server.url("/t"), body_of("x"));
  while (server.messages().empty()) transport.poll(milliseconds(10));
  transport.cancel_all();
  EXPECT_TRUE(transport.poll(milliseconds(300)).empty());
  EXPECT_EQ(answer_to(&transport, server.url("/t")).status, 200);
}

TEST(ForwardSecurity, BothSidesProveThatTheyKnowTheSharedKey) {
  Secured secured;
  EXPECT_EQ(secured.send().status, 200);
  EXPECT_EQ(secured.send().status, 200);
  const auto messages = secured.server->messages();
  ASSERT_EQ(messages.size(), 3U);
  const Message& ping = messages[0];
  ASSERT_TRUE(ping.is_ping());
  std::array<char, 256> name{};
  ASSERT_EQ(::gethostname(name.data(), name.size() - 1), 0);
  EXPECT_EQ(ping.part(1).as<std::string>(), name.data());
  EXPECT_EQ(ping.part(4).as<std::string>(), "");
  EXPECT_EQ(ping.part(5).as<std::string>(), "");
}

TEST(ForwardSecurity, AUserShowsItsPasswordByADigest) {
  Secured secured;
  secured.security.password = "pass word";
  EXPECT_THAT(secured.send().failure->sentence, HasSubstr("the server refuses us"));
  secured.options.security.username = "anna";
  secured.options.security.password_file = secured.folder.write("password", "pass word");
  secured.transport.emplace(secured.options);
  EXPECT_EQ(secured.send().status, 200);
}

TEST(ForwardSecurity, AKeyThatTheServerDoesNotKnowIsRefusedWithItsReason) {
  Secured secured("other");
  const Answer answer = secured.send();
  ASSERT_TRUE(answer.failure);
  EXPECT_EQ(answer.failure->kind, ErrorKind::kUnauthorized);
  EXPECT_FALSE(answer.outcome_unknown);
  EXPECT_FALSE(answer.is_silent);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("shared_key mismatch"));
  EXPECT_THAT(answer.failure->sentence, testing::Not(HasSubstr("other")));
}

TEST(ForwardSecurity, NothingIsSentToAServerThatDoesNotKnowTheKey) {
  Secured secured;
  secured.security.pong_key = "another";
  const Answer answer = secured.send();
  ASSERT_TRUE(answer.failure);
  EXPECT_EQ(answer.failure->kind, ErrorKind::kUnauthorized);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("has not shown that it knows the shared key"));
  EXPECT_EQ(secured.chunks(), 0U);
}

TEST(ForwardSecurity, AServerOfOurOwnNameCouldBeAnEcho) {
  Secured secured;
  secured.security.own_name.clear();  // takes ours
  const Answer answer = secured.send();
  ASSERT_TRUE(answer.failure);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("self_hostname"));
  EXPECT_EQ(secured.chunks(), 0U);
}

TEST(ForwardSecurity, AServerThatAsksForAKeyIsToldThatNoneIsConfigured) {
  Secured secured;
  secured.options.security = {};
  const Answer answer = secured.send();
  ASSERT_TRUE(answer.failure);
  EXPECT_EQ(answer.failure->kind, ErrorKind::kUnauthorized);
  EXPECT_FALSE(answer.outcome_unknown);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("set forward.fluentd.shared-key-file"));
}

TEST(ForwardSecurity, AServerThatAsksForNoKeyGetsNothingWhenOneIsConfigured) {
  const TempFolder folder;
  TinyForwardServer server(&acknowledge);
  ForwardOptions options;
  options.security.shared_key_file = folder.write("key", "secret");
  options.connect_timeout = milliseconds(300);
  ForwardTransport transport(options);
  const Answer answer = answer_to(&transport, server.url("/t"));
  ASSERT_TRUE(answer.failure);
  EXPECT_EQ(answer.failure->kind, ErrorKind::kUnauthorized);
  EXPECT_FALSE(answer.outcome_unknown);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("has no <security>"));
  EXPECT_TRUE(server.messages().empty());
}

TEST(ForwardSecurity, TheKeyIsReadAgainForEachConnection) {
  Secured secured("old");
  secured.options.dial_interval = milliseconds(1);
  EXPECT_TRUE(secured.send().failure);
  secured.folder.write("key", "secret");
  EXPECT_EQ(secured.send().status, 200);
  secured.folder.write("key", "\n");
  EXPECT_EQ(secured.send().status, 200);  // on the connection that there is
  secured.server->hang_up();
  const Answer answer = secured.send();
  ASSERT_TRUE(answer.failure);
  EXPECT_THAT(answer.failure->sentence, HasSubstr("is empty, but must hold the shared key"));
}

TEST(ForwardSecurity, AServerThatKeepsNoConnectionsGetsANewOneForEachChunk) {
  Secured secured;
  secured.security.keepalive = false;
  secured.options.dial_interval = milliseconds(1);
  EXPECT_EQ(secured.send().status, 200);
  EXPECT_EQ(secured.send().status, 200);
  EXPECT_EQ(secured.server->accepted_at().size(), 2U);
}

}  // namespace
}  // namespace sluice::shipper::fluentd
