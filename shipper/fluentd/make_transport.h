// The transport that the configured URLs ask for. Any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_MAKE_TRANSPORT_H_
#define SLUICE_SHIPPER_FLUENTD_MAKE_TRANSPORT_H_

#include <cstdint>
#include <memory>

#include "common/config.h"
#include "common/error.h"
#include "shipper/fluentd/transport.h"

namespace sluice::shipper::fluentd {

// `config` must outlive the transport. Errors as HttpTransport::create().
Result<std::unique_ptr<Transport>> make_transport(const Config& config, std::uint32_t connections);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_MAKE_TRANSPORT_H_
