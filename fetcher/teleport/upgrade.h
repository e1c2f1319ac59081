// Teleport's connection upgrade: how its proxy is reached through a load balancer that ends TLS and
// knows nothing but HTTP.
#ifndef SLUICE_FETCHER_TELEPORT_UPGRADE_H_
#define SLUICE_FETCHER_TELEPORT_UPGRADE_H_

#include <string>

#include "common/error.h"
#include "fetcher/teleport/socket.h"
#include "fetcher/teleport/tls_session.h"

namespace sluice::fetcher {

// Over a TLS session with the load balancer. What came behind the answer, which belongs to the
// WebSocket stream already. Errors are causes, for the caller's sentence: kRejected when something
// answered that is no Teleport proxy, else kUnavailable.
Result<std::string> upgrade_connection(TlsSession* tls, const HostPort& proxy,
                                       const Deadline& deadline);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_UPGRADE_H_
