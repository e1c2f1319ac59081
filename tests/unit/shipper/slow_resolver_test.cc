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

#include "shipper/fluentd/http_transport.h"

namespace {

constexpr std::string_view kStuckHost = "stuck.invalid";

std::atomic<int> entered = 0;
std::atomic<int> left = 0;
std::counting_semaphore<16> release{0};

}  // namespace

extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  if (host != nullptr && host == kStuckHost) {
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
}

}  // namespace
}  // namespace sluice::shipper::fluentd
