#include "shipper/sink_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/process_note.h"

namespace sluice::shipper {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

fluentd::ServerTls server_until(std::int64_t seconds) {
  fluentd::ServerTls server;
  server.certificate.not_after.seconds = seconds;
  return server;
}

// A configuration that was reloaded may have another server, whose certificate is all there is.
TEST(SinkWatch, LeavesNoCertificatesOfTheOneBefore) {
  const Config config;
  {
    SinkWatch before(&config, &system_clock());
    fluentd::ServerTls server = server_until(4'000'000'000);
    server.authority.not_after.seconds = 4'100'000'000;
    before.connected(server);
    EXPECT_THAT(process_note().certificates, ElementsAre(Pair("authority", 4'100'000'000'000),
                                                         Pair("server", 4'000'000'000'000)));
  }
  SinkWatch now(&config, &system_clock());
  now.connected(server_until(4'200'000'000));
  EXPECT_THAT(process_note().certificates, ElementsAre(Pair("server", 4'200'000'000'000)));
}

}  // namespace
}  // namespace sluice::shipper
