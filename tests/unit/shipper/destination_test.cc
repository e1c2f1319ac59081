#include "shipper/destination.h"

#include <gtest/gtest.h>

namespace sluice::shipper {
namespace {

TEST(Destination, AuditEventsGoToTheUrlAsItIs) {
  const Destination audit(queue::Lane::kAudit, "https://f:8888/test.log");
  EXPECT_EQ(audit.url_for(""), "https://f:8888/test.log");
}

TEST(Destination, RecordingsGoToAUrlOfTheirSession) {
  const Destination session(queue::Lane::kSession, "https://f:8888/session");
  EXPECT_EQ(session.url_for("12345678-90ab-cdef-1234-567890abcdef"),
            "https://f:8888/session.12345678-90ab-cdef-1234-567890abcdef.log");
}

TEST(Destination, BytesThatWouldChangeUrlOrTagAreReplaced) {
  const Destination session(queue::Lane::kSession, "https://f/session");
  EXPECT_EQ(session.url_for("a/../b?c#d e.f%2e\n"), "https://f/session.a____b_c_d_e_f_2e_.log");
  EXPECT_EQ(session.url_for(""), "https://f/session._.log");
}

TEST(Destination, LongRouteIsCut) {
  const Destination session(queue::Lane::kSession, "https://f/s");
  EXPECT_LT(session.url_for(std::string(10'000, 'x')).size(), 200U);
}

TEST(Destination, SameServersHaveSchemeHostAndPortInCommon) {
  EXPECT_TRUE(is_same_server("https://a:8888/events.log", "https://A:8888/session"));
  EXPECT_TRUE(is_same_server("https://a:8888", "https://a:8888?x"));
  EXPECT_FALSE(is_same_server("https://a:8888/x", "http://a:8888/x"));
  EXPECT_FALSE(is_same_server("https://a:8888/x", "https://a:8889/x"));
  EXPECT_FALSE(is_same_server("https://a/x", "https://b/x"));
}

TEST(WithPath, AnotherPathOnTheSameServer) {
  EXPECT_EQ(with_path("https://f.example.com:8888/events.log", "sluice.heartbeat"),
            "https://f.example.com:8888/sluice.heartbeat");
  EXPECT_EQ(with_path("forward+tls://[::1]:24224", "a.b"), "forward+tls://[::1]:24224/a.b");
}

}  // namespace
}  // namespace sluice::shipper
