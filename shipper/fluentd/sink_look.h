// Looks at a sink without sending it an event: opens a connection as a transport would, and has the
// other end say something, since with TLS 1.3 it refuses a client certificate only after the
// handshake.
//
// Over HTTP it asks for "/" (Fluentd answers that with 200 and an empty body), with the configured
// headers; over the forward protocol it shakes hands where there is a shared key, and listens for a
// moment where there is none. Blocks, within a time limit and until asked to stop. Any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_SINK_LOOK_H_
#define SLUICE_SHIPPER_FLUENTD_SINK_LOOK_H_

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "common/config.h"
#include "common/error.h"
#include "shipper/fluentd/server_tls.h"

namespace sluice::shipper::fluentd {

struct SinkLook {
  std::string server;  // "https://host:port"
  std::optional<ServerTls> tls;
  std::optional<int> http_status;
  bool shook_hands = false;  // of the forward protocol: both know the shared key
  std::chrono::milliseconds connected_after{0};
};

// `url`: one where events go. kUnavailable: it cannot be reached, or is none of that protocol.
// kUnauthorized: it refuses our certificate or shared key. kConfig: one of our files cannot be
// used. kStopped.
Result<SinkLook> look_at_sink(const std::string& url, const Config& config,
                              const std::stop_token& stop);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_SINK_LOOK_H_
