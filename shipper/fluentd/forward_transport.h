// The transport to Fluentd's `forward` input: chunks of events in msgpack, each acknowledged.
//
// Bodies are of BodyForm::kEntries and go as they are (PackedForward) or packed with gzip
// (CompressedPackedForward). An acknowledged chunk is an answer of status 200; there is no other
// status, since Fluentd says nothing of what it cannot take.
//
//  - Connections are kept, one chunk at a time on each, and retired after a minute without use. New
//    ones are opened at least 150 ms apart: those opened at once all land on one of Fluentd's
//    workers.
//  - TLS is 1.2 or later, never resumed, with the server's certificate and host name always
//    verified. Certificates, keys and secrets are read again for each new connection, and a
//    connection that is never idle is given up after 10 minutes. ClientIdentity says what becomes
//    of a renewal that is half done.
//  - A host name is looked up beside this thread.
//  - With a shared key nothing is sent before the server has shown that it knows it.
//
// Threads and errors as Transport says.
#ifndef SLUICE_SHIPPER_FLUENTD_FORWARD_TRANSPORT_H_
#define SLUICE_SHIPPER_FLUENTD_FORWARD_TRANSPORT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shipper/fluentd/forward_handshake.h"
#include "shipper/fluentd/server_tls.h"
#include "shipper/fluentd/tls_files.h"
#include "shipper/fluentd/transport.h"

namespace sluice::shipper::fluentd {

struct ForwardOptions {
  std::uint32_t connections = 4;
  TlsFiles tls = {};
  ForwardSecurity security = {};
  bool gzip = false;
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds connect_timeout{10'000};  // with all handshakes
  std::chrono::milliseconds dial_interval{150};
  // So that what is renewed is taken up by connections that are never idle, too.
  std::chrono::milliseconds connection_life_max{600'000};
  OnConnected on_connected = {};  // may be empty
};

class ForwardTransport final : public Transport {
 public:
  explicit ForwardTransport(const ForwardOptions& options);
  ~ForwardTransport() override;

  // The URL must be one of the forward protocol (checked).
  void start(std::uint64_t request_id, const std::string& url, std::string body) override;
  std::vector<Answer> poll(std::chrono::milliseconds timeout) override;
  void wake() override;
  void cancel_all() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_FORWARD_TRANSPORT_H_
