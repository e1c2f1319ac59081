// The transport to Fluentd's `http` input: POST of JSON, over mTLS, with libcurl.
//
// What it does beyond the ordinary, and why (measured on Fluentd 1.12 to 1.19):
//  - Connections are kept, but retired after 8 s without use: Fluentd resets them after 10 s, and
//    libcurl would notice too late.
//  - New connections are opened at least 150 ms apart: those opened at once all land on one of
//    Fluentd's workers.
//  - TLS sessions are never resumed: Fluentd ends such a connection with an alert.
//  - No `Expect` header, no proxy from the environment, no redirects, HTTP/1.1 only, TLS 1.2 or
//    later, and each request ends by its total timeout.
//  - Certificate, key, passphrase and authorities are read again for each new connection (the
//    system's authorities at most a minute late), and a connection lives 10 min at most, so that
//    renewed ones are taken up without a restart; so are the files of headers.
// The server's certificate and host name are always verified; nothing switches that off.
//
// Threads and errors as Transport says.
#ifndef SLUICE_SHIPPER_FLUENTD_HTTP_TRANSPORT_H_
#define SLUICE_SHIPPER_FLUENTD_HTTP_TRANSPORT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/http_header.h"
#include "shipper/fluentd/server_tls.h"
#include "shipper/fluentd/tls_files.h"
#include "shipper/fluentd/transport.h"

namespace sluice::shipper::fluentd {

struct HttpOptions {
  std::uint32_t connections = 4;
  TlsFiles tls = {};
  std::string_view content_type = "application/json";  // must outlive the transport
  std::vector<HttpHeader> headers = {};                // besides our own
  bool gzip = false;
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds dial_interval{150};
  OnConnected on_connected = {};  // may be empty
};

class HttpTransport final : public Transport {
 public:
  // kInternal: libcurl cannot be set up, or lacks TLS. As header_line(): a header's file.
  static Result<std::unique_ptr<HttpTransport>> create(const HttpOptions& options);
  ~HttpTransport() override;

  void start(std::uint64_t request_id, const std::string& url, std::string body) override;
  std::vector<Answer> poll(std::chrono::milliseconds timeout) override;
  void wake() override;
  void cancel_all() override;

 private:
  struct Impl;
  explicit HttpTransport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_HTTP_TRANSPORT_H_
