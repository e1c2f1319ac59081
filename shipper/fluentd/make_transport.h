// The transport to the sink that a configuration asks for.
#ifndef SLUICE_SHIPPER_FLUENTD_MAKE_TRANSPORT_H_
#define SLUICE_SHIPPER_FLUENTD_MAKE_TRANSPORT_H_

#include <cstdint>
#include <memory>

#include "common/config.h"
#include "common/error.h"
#include "shipper/fluentd/server_tls.h"
#include "shipper/fluentd/tls_files.h"
#include "shipper/fluentd/transport.h"

namespace sluice::shipper::fluentd {

// `config` must outlive the transport; `on_connected` may be empty. Errors as
// HttpTransport::create().
Result<std::unique_ptr<Transport>> make_transport(const Config& config, std::uint32_t connections,
                                                  OnConnected on_connected = {});

// The files of our side of TLS.
TlsFiles tls_files(const FluentdConfig& config);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_MAKE_TRANSPORT_H_
