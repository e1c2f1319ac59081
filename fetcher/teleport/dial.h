// Makes a connection to Teleport's Auth service, with TLS that ends there and nowhere before, and
// proves on the spot that it works: name, TCP, what lies between (an HTTP proxy, a load balancer),
// TLS, and that our certificate is not refused.
//
// Each failure is one sentence with the cause and the cure. Blocks, within the deadline and until
// asked to stop (kStopped). Thread-safe.
#ifndef SLUICE_FETCHER_TELEPORT_DIAL_H_
#define SLUICE_FETCHER_TELEPORT_DIAL_H_

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "common/error.h"
#include "common/owned_fd.h"
#include "fetcher/teleport/identity.h"
#include "fetcher/teleport/socket.h"
#include "fetcher/teleport/tls_session.h"
#include "fetcher/teleport/web_socket_transport.h"

namespace sluice::fetcher {

// The name that every Auth server's certificate has, whatever address it is reached by.
inline constexpr const char* kAuthServerName = "teleport.cluster.local";

enum class Way {
  kDirect,      // to the Auth service itself
  kTlsRouting,  // through Teleport's proxy, which routes by ALPN without ending TLS
  kUpgrade,     // the same, behind a load balancer that ends TLS: inside a WebSocket
};

struct Route {
  Way way = Way::kDirect;
  HostPort address;
  std::string cluster;           // for the latter two
  std::filesystem::path web_ca;  // with kUpgrade, whom to trust on the outside; none: the system's
  Resolver resolver = nullptr;   // for tests
};

// In the order in which each uses the one before.
struct SecureConnection {
  OwnedFd socket;
  std::unique_ptr<TlsSession> outer;  // with kUpgrade
  std::unique_ptr<WebSocketTransport> web_socket;
  std::unique_ptr<TlsSession> tls;
};

// Why dialling failed, for who wants to try another way.
struct DialError {
  Error error;
  bool is_not_auth = false;  // something answered, but not as Teleport's Auth service does
};

std::expected<SecureConnection, DialError> dial(const Route& route, const Identity& identity,
                                                const Deadline& deadline);

// The longest name of a cluster: with it, auth_protocol() has the 255 bytes that ALPN allows.
inline constexpr std::size_t kClusterBytesMax = 109;

// The ALPN name by which a proxy routes to the Auth service of that cluster.
std::string auth_protocol(const std::string& cluster);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_DIAL_H_
