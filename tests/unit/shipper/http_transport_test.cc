#include "shipper/fluentd/http_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "tests/unit/common/temp_folder.h"
#include "tests/unit/shipper/tiny_http_server.h"

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

std::unique_ptr<HttpTransport> make_transport(HttpOptions options = {}) {
  auto transport = HttpTransport::create(options);
  EXPECT_TRUE(transport.has_value());
  return std::move(*transport);
}

std::vector<Answer> wait_for(HttpTransport* transport, std::size_t count) {
  std::vector<Answer> answers;
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (answers.size() < count && std::chrono::steady_clock::now() < deadline) {
    for (auto& answer : transport->poll(seconds(1))) answers.push_back(std::move(answer));
  }
  return answers;
}

std::string unpacked(const std::string& packed) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string text(2 << 20, '\0');
  std::string input = packed;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(text.size() - stream.avail_out);
  inflateEnd(&stream);
  return text;
}

TinyHttpServer::Handler always(const std::string& response) {
  return [response](const auto&) { return response; };
}

TEST(HttpTransport, PostsJsonWithoutExpectOnAKeptConnection) {
  TinyHttpServer server(always(TinyHttpServer::response(200)));
  auto transport = make_transport();
  const std::string large = "[\"" + std::string(3 << 20, 'x') + "\"]";
  for (std::uint64_t id = 1; id <= 3; ++id) {
    transport->start(id, server.url("/test.log"), large);
    const auto answers = wait_for(transport.get(), 1);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].request_id, id);
    EXPECT_EQ(answers[0].status, 200);
    EXPECT_FALSE(answers[0].failure.has_value());
    EXPECT_EQ(answers[0].hidden_resends, 0U);
  }
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  for (const auto& request : requests) {
    EXPECT_EQ(request.connection, 0U);
    EXPECT_EQ(request.body, large);
    EXPECT_TRUE(request.head.starts_with("POST /test.log HTTP/1.1\r\n"));
    EXPECT_THAT(request.head, HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_THAT(request.head, Not(HasSubstr("Expect")));
  }
}

TEST(HttpTransport, SaysWhichTypeOfContentItSends) {
  TinyHttpServer server(always(TinyHttpServer::response(200)));
  auto transport = make_transport({.content_type = "application/x-ndjson"});
  transport->start(1, server.url("/"), "{}\n");
  ASSERT_EQ(wait_for(transport.get(), 1).size(), 1U);
  EXPECT_THAT(server.requests().at(0).head, HasSubstr("Content-Type: application/x-ndjson\r\n"));
}

TEST(HttpTransport, ConfiguredHeadersAreSentBesidesOurOwn) {
  TinyHttpServer server(always(TinyHttpServer::response(200)));
  auto transport = make_transport(
      {.headers = {{.name = "X-Env", .value = "a, b", .file = {}, .credential = {}}}});
  transport->start(1, server.url("/"), "[]");
  ASSERT_EQ(wait_for(transport.get(), 1).size(), 1U);
  EXPECT_THAT(server.requests().at(0).head,
              testing::AllOf(HasSubstr("X-Env: a, b\r\n"),
                             HasSubstr("Content-Type: application/json\r\n")));
}

TEST(HttpTransport, AHeadersFileIsReadAgainAndItsLastValueStaysWhileItIsGone) {
  const TempFolder folder;
  const auto file = folder.write("token", "one\n");
  TinyHttpServer server(always(TinyHttpServer::response(200)));
  auto transport = make_transport(
      {.headers = {{.name = "Authorization", .value = "Bearer ", .file = file, .credential = {}}}});
  std::uint64_t id = 0;
  const auto sent = [&] {
    transport->start(++id, server.url("/"), "[]");
    EXPECT_EQ(wait_for(transport.get(), 1).size(), 1U);
    return server.requests().back().head;
  };
  EXPECT_THAT(sent(), HasSubstr("Authorization: Bearer one\r\n"));
  std::filesystem::remove(file);
  std::this_thread::sleep_for(milliseconds(1100));
  EXPECT_THAT(sent(), HasSubstr("Authorization: Bearer one\r\n"));
  folder.write("token", "two\n");
  std::this_thread::sleep_for(milliseconds(1100));
  EXPECT_THAT(sent(), HasSubstr("Authorization: Bearer two\r\n"));
}

TEST(HttpTransport, CannotBeMadeWithoutTheFileOfAHeader) {
  const auto made = HttpTransport::create(
      {.headers = {
           {.name = "Authorization", .value = "", .file = "/no/such/file", .credential = {}}}});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().kind, ErrorKind::kNotFound);
}

TEST(HttpTransport, PackedBodiesSaySoAndAreTheBodyAgainWhenUnpacked) {
  TinyHttpServer server(always(TinyHttpServer::response(200)));
  auto transport = make_transport({.gzip = true});
  const std::vector<std::string> bodies = {"[" + std::string(1 << 20, ' ') + "]", "",
                                           "[{\"a\":1}]"};
  for (std::uint64_t id = 0; id < bodies.size(); ++id) {
    transport->start(id, server.url("/"), bodies[id]);
    ASSERT_EQ(wait_for(transport.get(), 1).size(), 1U);
    const auto request = server.requests().back();
    EXPECT_THAT(request.head, HasSubstr("Content-Encoding: gzip\r\n"));
    EXPECT_EQ(unpacked(request.body), bodies[id]);
  }
  EXPECT_LT(server.requests().front().body.size(), 10'000U);
}

TEST(HttpTransport, AnswersBodyIsCut) {
  TinyHttpServer server(always(TinyHttpServer::response(400, std::string(1 << 20, 'e'))));
  auto transport = make_transport();
  transport->start(1, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 400);
  EXPECT_EQ(answers[0].body, std::string(kAnswerBodyBytesMax, 'e'));
}

TEST(HttpTransport, RetryAfterIsHandedOn) {
  TinyHttpServer server(always(TinyHttpServer::response(429, "", "Retry-After: 17\r\n")));
  auto transport = make_transport();
  transport->start(1, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].retry_after, seconds(17));
}

TEST(HttpTransport, AbsurdRetryAfterIsLongAndNotNegative) {
  TinyHttpServer server(
      always(TinyHttpServer::response(429, "", "Retry-After: 9223372036854775807\r\n")));
  auto transport = make_transport();
  transport->start(1, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  ASSERT_TRUE(answers[0].retry_after.has_value());
  EXPECT_GE(*answers[0].retry_after, std::chrono::hours(1));
}

TEST(HttpTransport, RefusedConnectionIsAFailureWithoutDoubt) {
  std::string url;
  {
    TinyHttpServer gone(always(""));
    url = gone.url("/test.log");
  }
  auto transport = make_transport();
  transport->start(1, url, "[]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  ASSERT_TRUE(answers[0].failure.has_value());
  EXPECT_THAT(answers[0].failure->sentence, HasSubstr(": cannot connect (Connection refused)"));
  EXPECT_FALSE(answers[0].outcome_unknown);
}

TEST(HttpTransport, ServerThatNeverAnswersEndsInATimeoutOfUnknownOutcome) {
  std::promise<void> end;
  const auto ended = end.get_future().share();
  TinyHttpServer server([ended](const auto&) {
    ended.wait();
    return std::string();
  });
  auto transport = make_transport({.request_timeout = milliseconds{300}});
  transport->start(1, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 1);
  end.set_value();
  ASSERT_EQ(answers.size(), 1U);
  ASSERT_TRUE(answers[0].failure.has_value());
  EXPECT_THAT(answers[0].failure->sentence, HasSubstr("no answer in time"));
  EXPECT_TRUE(answers[0].failure->time_limit);
  EXPECT_TRUE(answers[0].outcome_unknown);
}

TEST(HttpTransport, AnswerThatBeginsAndStopsEndsByTheTimeLimitToo) {
  TinyHttpServer server(always("HTTP/1."));
  auto transport = make_transport({.request_timeout = milliseconds{300}});
  transport->start(1, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  ASSERT_TRUE(answers[0].failure.has_value());
  EXPECT_TRUE(answers[0].failure->time_limit);
  EXPECT_TRUE(answers[0].outcome_unknown);
}

TEST(HttpTransport, StatusCountsThoughTheConnectionBreaksInItsBody) {
  TinyHttpServer server(
      always("HTTP/1.1 413 X\r\nContent-Length: 100\r\nConnection: close\r\n\r\nToo lar"));
  auto transport = make_transport();
  transport->start(1, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 413);
  EXPECT_FALSE(answers[0].failure.has_value());
  EXPECT_FALSE(answers[0].outcome_unknown);
}

TEST(HttpTransport, RoundTripsAreMeasuredWithoutTheWaitForAConnection) {
  TinyHttpServer server([](const auto&) {
    std::this_thread::sleep_for(milliseconds(300));
    return TinyHttpServer::response(200);
  });
  auto transport = make_transport({.connections = 2, .dial_interval = seconds(60)});
  const auto begin = std::chrono::steady_clock::now();
  // The second one waits for the first one's connection.
  transport->start(1, server.url("/"), "[]");
  transport->start(2, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 2);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(answers.size(), 2U);
  for (const Answer& answer : answers) {
    EXPECT_GE(answer.round_trip, milliseconds(290));
    EXPECT_LE(answer.round_trip, took - milliseconds(290));
  }
}

TEST(HttpTransport, ConnectionClosedWithoutAnAnswerIsOfUnknownOutcome) {
  TinyHttpServer server(always(""));
  auto transport = make_transport();
  transport->start(1, server.url("/"), "[]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  ASSERT_TRUE(answers[0].failure.has_value());
  EXPECT_TRUE(answers[0].outcome_unknown);
}

TEST(HttpTransport, RequestThatLibcurlSendsAgainByItselfIsNoticed) {
  std::atomic<int> count = 0;
  TinyHttpServer server(
      [&](const auto&) { return ++count == 2 ? std::string() : TinyHttpServer::response(200); });
  auto transport = make_transport();
  transport->start(1, server.url("/"), "[1]");
  ASSERT_EQ(wait_for(transport.get(), 1).size(), 1U);
  transport->start(2, server.url("/"), "[2]");
  const auto answers = wait_for(transport.get(), 1);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 200);
  EXPECT_EQ(answers[0].hidden_resends, 1U);
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST(HttpTransport, NewConnectionsAreOpenedApart) {
  std::promise<void> end;
  const auto ended = end.get_future().share();
  std::atomic<int> waiting = 0;
  TinyHttpServer server([&](const auto&) {
    ++waiting;
    ended.wait();
    return TinyHttpServer::response(200);
  });
  auto transport = make_transport({.connections = 4});
  for (std::uint64_t id = 1; id <= 4; ++id) transport->start(id, server.url("/"), "[]");
  while (waiting < 4) EXPECT_TRUE(transport->poll(milliseconds{10}).empty());
  end.set_value();
  EXPECT_EQ(wait_for(transport.get(), 4).size(), 4U);

  const auto times = server.accepted_at();
  ASSERT_EQ(times.size(), 4U);
  // The server may be slow to accept one, so only the whole is sure.
  EXPECT_GE(times[3] - times[0], milliseconds{350});
}

TEST(HttpTransport, DeferredRequestTakesAConnectionThatBecomesFree) {
  TinyHttpServer server(always(TinyHttpServer::response(200)));
  auto transport = make_transport({.connections = 4, .dial_interval = std::chrono::hours(1)});
  for (std::uint64_t id = 1; id <= 4; ++id) transport->start(id, server.url("/"), "[]");
  EXPECT_EQ(wait_for(transport.get(), 4).size(), 4U);
  EXPECT_EQ(server.accepted_at().size(), 1U);
}

TEST(HttpTransport, WakeEndsAPollAndIsNotLost) {
  auto transport = make_transport();
  transport->wake();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(transport->poll(seconds(100)).empty());
  std::jthread other([&] { transport->wake(); });
  EXPECT_TRUE(transport->poll(seconds(100)).empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(100));
}

TEST(HttpTransport, CancelledRequestsAreNotReported) {
  std::promise<void> end;
  const auto ended = end.get_future().share();
  TinyHttpServer server([ended](const auto&) {
    ended.wait();
    return TinyHttpServer::response(200);
  });
  auto transport = make_transport();
  for (std::uint64_t id = 1; id <= 3; ++id) transport->start(id, server.url("/"), "[]");
  EXPECT_TRUE(transport->poll(milliseconds{20}).empty());
  transport->cancel_all();
  end.set_value();
  EXPECT_TRUE(transport->poll(milliseconds{50}).empty());
  transport->start(1, server.url("/"), "[]");
  EXPECT_EQ(wait_for(transport.get(), 1).size(), 1U);
}

}  // namespace
}  // namespace sluice::shipper::fluentd
