// Finds the way to Teleport's Auth service and goes it: directly, through a proxy with TLS routing,
// or through one behind a load balancer; as configured, or the first that works.
//
// A way that worked is remembered until it leads to something else. Not thread-safe.
#ifndef SLUICE_FETCHER_TELEPORT_DIALER_H_
#define SLUICE_FETCHER_TELEPORT_DIALER_H_

#include <expected>
#include <optional>
#include <stop_token>
#include <string>

#include "common/config.h"
#include "common/error.h"
#include "fetcher/teleport/dial.h"
#include "fetcher/teleport/identity.h"
#include "fetcher/teleport/web_find.h"

namespace sluice::fetcher {

class Dialer {
 public:
  explicit Dialer(TeleportConfig config, Resolver resolver = nullptr);

  // Blocks for a few seconds at most for each way. Errors as dial().
  Result<SecureConnection> connect(const Identity& identity, const std::stop_token& stop);

  // Of the last connection: "directly to HOST:PORT", "through the proxy HOST:PORT", …
  const std::string& description() const { return description_; }

 private:
  std::expected<SecureConnection, DialError> go_as_set(const Identity& identity,
                                                       const std::stop_token& stop);
  std::expected<SecureConnection, DialError> go(const Route& route, const Identity& identity,
                                                const std::stop_token& stop);
  std::expected<SecureConnection, DialError> go_routed(Way way, const Identity& identity,
                                                       const std::stop_token& stop);
  std::expected<SecureConnection, DialError> search(const Identity& identity,
                                                    const std::stop_token& stop);
  std::expected<SecureConnection, DialError> go_through_proxy(const ProxyFacts& facts,
                                                              const Identity& identity,
                                                              const std::stop_token& stop);
  Route route(Way way, const std::string& cluster) const;

  const TeleportConfig config_;
  const HostPort address_;
  const Resolver resolver_;
  std::optional<Route> known_;
  std::string description_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_DIALER_H_
