#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>

#include "common/histogram.h"
#include "common/metrics_page.h"
#include "common/metrics_server.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Histogram, EachDurationIsInTheFirstBucketThatIsLongEnough) {
  Histogram histogram;
  histogram.add(milliseconds{1});
  histogram.add(milliseconds{2}, 3);
  histogram.add(milliseconds{-5});
  histogram.add(std::chrono::hours{48});
  const auto values = histogram.snapshot();
  EXPECT_EQ(values.counts.front(), 2U);
  EXPECT_EQ(values.counts[1], 3U);
  EXPECT_EQ(values.counts.back(), 1U);
  EXPECT_DOUBLE_EQ(values.sum_seconds, 0.007 + 48 * 3600);
}

TEST(MetricsPage, HasOneHeadForAllLabelsOfAName) {
  MetricsPage page;
  page.counter("a_total", "What a is.", {{"lane", "audit"}}, 3);
  page.gauge("b", "What b is.", {}, 0.5);
  page.counter("a_total", "What a is.", {{"lane", "session"}}, 1e15);
  EXPECT_EQ(page.text(),
            "# HELP a_total What a is.\n# TYPE a_total counter\na_total{lane=\"audit\"} 3\n"
            "a_total{lane=\"session\"} 1000000000000000\n"
            "# HELP b What b is.\n# TYPE b gauge\nb 0.5\n");
}

TEST(MetricsPage, BucketsOfAHistogramAddUp) {
  Histogram histogram;
  histogram.add(milliseconds{1});
  histogram.add(milliseconds{200}, 2);
  MetricsPage page;
  page.histogram("t_seconds", "Times.", {}, histogram.snapshot());
  EXPECT_THAT(page.text(), HasSubstr("t_seconds_bucket{le=\"0.1\"} 1\n"));
  EXPECT_THAT(page.text(), HasSubstr("t_seconds_bucket{le=\"0.25\"} 3\n"));
  EXPECT_THAT(page.text(), HasSubstr("t_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(page.text(), HasSubstr("t_seconds_count 3\n"));
}

std::string get(std::uint16_t port, const std::string& request_line) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string request = request_line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(fd, part.data(), part.size())) > 0;) {
    answer.append(part.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return answer;
}

struct Served {
  explicit Served(const std::string& address = "127.0.0.1:0") : started(start(address)) {}

  Result<std::unique_ptr<MetricsServer>> start(const std::string& address) {
    return MetricsServer::start(
        {.address = address,
         .fill = [](MetricsPage* page) { page->gauge("x", "X.", {}, 7); },
         .why_not_ready = [this] { return is_ready ? std::string() : std::string("not yet"); }});
  }

  std::atomic<bool> is_ready = true;
  Result<std::unique_ptr<MetricsServer>> started;
};

TEST(MetricsServer, ServesMetricsAndHealthOnTheirPathsAlone) {
  Served served;
  ASSERT_TRUE(served.started) << served.started.error().message;
  const auto port = (*served.started)->port();
  EXPECT_THAT(get(port, "GET /metrics"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(get(port, "GET /metrics"), HasSubstr("\nx 7\n"));
  EXPECT_THAT(get(port, "GET /healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(get(port, "GET /readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  for (const char* const other :
       {"GET /", "GET /metrics/x", "POST /metrics", "GET /../etc/passwd"}) {
    EXPECT_THAT(get(port, other), ::testing::Not(StartsWith("HTTP/1.1 200"))) << other;
  }
}

// By itself civetweb takes up to two seconds; on the average of three ends, one.
TEST(MetricsServer, EndsAtOnceWhenNobodyAsks) {
  const auto begin = std::chrono::steady_clock::now();
  for (const char* const address : {"127.0.0.1:0", "0.0.0.0:0", "127.0.0.1:0"}) {
    const Served served(address);
    ASSERT_TRUE(served.started) << served.started.error().message;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{2});
}

TEST(MetricsServer, SaysWhyItIsNotReady) {
  Served served;
  ASSERT_TRUE(served.started) << served.started.error().message;
  served.is_ready = false;
  const std::string answer = get((*served.started)->port(), "GET /readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("not yet\n"));
}

TEST(MetricsServer, APortThatIsTakenIsAnErrorThatADaemonOutlives) {
  Served first;
  ASSERT_TRUE(first.started);
  const std::string address = "127.0.0.1:" + std::to_string((*first.started)->port());
  const Served second(address);
  ASSERT_FALSE(second.started);
  EXPECT_EQ(second.started.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(second.started.error().message, HasSubstr(address));
  const auto possible = MetricsServer::start_if_possible(
      {.address = address, .fill = [](MetricsPage*) {}, .why_not_ready = [] { return ""; }});
  ASSERT_TRUE(possible);
  EXPECT_EQ(*possible, nullptr);
}

TEST(MetricsServer, WhatIsNoAddressIsAMistakeInTheConfiguration) {
  for (const char* const wrong :
       {"", "9464", "localhost:9464", "999.1.1.1:1", "127.0.0.1", "[::1:5"}) {
    const Served served(wrong);
    ASSERT_FALSE(served.started) << wrong;
    EXPECT_EQ(served.started.error().kind, ErrorKind::kConfig) << wrong;
  }
}

}  // namespace
}  // namespace sluice
