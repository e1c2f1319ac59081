// Finds out why a connection to Teleport does not work, since gRPC's own words for that ("Socket
// closed", "failed to connect to all addresses") do not say.
//
// Tries the way by itself, step by step: address, TCP, a TLS handshake with our identity, and what
// the server says right behind it. Sends no request. Takes at most a few seconds and what the
// system's resolver takes, and stops soon when asked to, even while the name is being resolved.
#ifndef SLUICE_FETCHER_TELEPORT_DIAGNOSIS_H_
#define SLUICE_FETCHER_TELEPORT_DIAGNOSIS_H_

#include <netdb.h>

#include <optional>
#include <stop_token>
#include <string>

#include "common/error.h"
#include "fetcher/teleport/identity.h"

namespace sluice::fetcher {

// The name that every Auth server's certificate has, whatever address it is reached by.
inline constexpr const char* kAuthServerName = "teleport.cluster.local";

// getaddrinfo(), or what stands in for it. It runs in a thread of its own, which can outlive the
// call of diagnose_connection().
using Resolver = int (*)(const char* host, const char* service, const addrinfo* hints,
                         addrinfo** found);

// One sentence that names the cause; nothing if the connection was found to work, or the stop token
// was asked to stop. `address`: host:port.
std::optional<Error> diagnose_connection(const std::string& address, const Identity& identity,
                                         std::stop_token stop, Resolver resolver = nullptr);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_DIAGNOSIS_H_
