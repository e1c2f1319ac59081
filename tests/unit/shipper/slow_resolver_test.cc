// What a name server that does not answer does to the transport. This file's getaddrinfo() stands
// in for the system's, for libcurl as well.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <atomic>
#include <chrono>
#include <semaphore>
#include <string_view>
#include <thread>

#include "shipper/fluentd/forward_transport.h"
#include "shipper/fluentd/http_transport.h"

namespace {

constexpr std::string_view kStuckHost = "stuck.invalid";

std::atomic<int> entered = 0;
std::atomic<int> left = 0;
std::counting_semaphore<16> release{0};

}  // namespace

extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  const bool asks_nobody = hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (host != nullptr && host == kStuckHost && !asks_nobody) {
    ++entered;
    // A limit, so that a transport that waits for this fails the test and does not hang it.
    (void)release.try_acquire_for(std::chrono::seconds(20));
    ++left;
    return EAI_AGAIN;
  }
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(host, service, hints, result);
}

namespace sluice::shipper::fluentd {
namespace {

TEST(SlowResolver, DoesNotHoldUpTheEndOfTheTransport) {
  {
    auto transport = HttpTransport::create({});
    ASSERT_TRUE(transport.has_value());
    (*transport)->start(1, "http://stuck.invalid:1/x.log", "[]");
    while (entered == 0) (*transport)->poll(std::chrono::milliseconds{10});
    (*transport)->cancel_all();
    EXPECT_EQ(left, 0);
  }
  EXPECT_EQ(left, 0);
  release.release();
  while (left == 0) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  entered = left = 0;
}

TEST(SlowResolver, EndsAForwardConnectionInTimeAndHoldsUpNothing) {
  {
    ForwardTransport transport({.connect_timeout = std::chrono::milliseconds{200}});
    transport.start(1, "forward://stuck.invalid:1/x.log", std::string("\xce\0\0\0\0", 5));
    std::vector<Answer> answers;
    for (int i = 0; answers.empty() && i < 100; ++i) {
      answers = transport.poll(std::chrono::milliseconds{100});
    }
    ASSERT_EQ(answers.size(), 1U);
    ASSERT_TRUE(answers[0].failure);
    EXPECT_EQ(answers[0].failure->sentence,
              "forward://stuck.invalid:1: the host name was not resolved in time");
    EXPECT_FALSE(answers[0].outcome_unknown);
    EXPECT_EQ(left, 0);
  }
  EXPECT_EQ(left, 0);
  release.release();
  while (left == 0) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  entered = left = 0;
}

}  // namespace
}  // namespace sluice::shipper::fluentd
