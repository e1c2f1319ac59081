#include "shipper/fluentd/make_transport.h"

#include <utility>

#include "common/body_form.h"
#include "common/forward_url.h"
#include "shipper/fluentd/forward_transport.h"
#include "shipper/fluentd/http_transport.h"

namespace sluice::shipper::fluentd {

TlsFiles tls_files(const FluentdConfig& fluentd) {
  return {.ca = fluentd.ca,
          .cert = fluentd.cert,
          .key = fluentd.key,
          .key_passphrase = fluentd.key_passphrase_file};
}

namespace {

HttpOptions http_options(const Config& config, std::uint32_t connections,
                         OnConnected on_connected) {
  return {.connections = connections,
          .tls = tls_files(config.fluentd),
          .content_type = content_type(config.shipper.body),
          .headers = config.shipper.headers,
          .gzip = config.shipper.gzip,
          .request_timeout = config.shipper.request_timeout,
          .on_connected = std::move(on_connected)};
}

ForwardOptions forward_options(const Config& config, std::uint32_t connections,
                               OnConnected on_connected) {
  return {.connections = connections,
          .tls = tls_files(config.fluentd),
          .security = {.shared_key_file = config.fluentd.shared_key_file,
                       .username = config.fluentd.username,
                       .password_file = config.fluentd.password_file},
          .gzip = config.shipper.gzip,
          .request_timeout = config.shipper.request_timeout,
          .on_connected = std::move(on_connected)};
}

}  // namespace

Result<std::unique_ptr<Transport>> make_transport(const Config& config, std::uint32_t connections,
                                                  OnConnected on_connected) {
  if (is_forward_url(config.fluentd.urls.front())) {
    return std::make_unique<ForwardTransport>(
        forward_options(config, connections, std::move(on_connected)));
  }
  return HttpTransport::create(http_options(config, connections, std::move(on_connected)));
}

}  // namespace sluice::shipper::fluentd
