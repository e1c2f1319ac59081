#include "fetcher/teleport/dialer.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace sluice::fetcher {
namespace {

// For name, TCP and TLS on a slow way.
constexpr std::chrono::milliseconds kDialMax{15'000};
constexpr std::chrono::milliseconds kAskMax{10'000};

std::string describe(const Route& route) {
  const std::string where = route.address.to_string();
  switch (route.way) {
    case Way::kDirect:
      return fmt::format("directly to {}", where);
    case Way::kTlsRouting:
      return fmt::format("through the proxy {}", where);
    case Way::kUpgrade:
      break;
  }
  return fmt::format("through the proxy {} behind a load balancer", where);
}

}  // namespace

Dialer::Dialer(TeleportConfig config, Resolver resolver)
    : config_(std::move(config)),
      address_(split_address(config_.addr, "3025")),
      resolver_(resolver) {}

Result<SecureConnection> Dialer::connect(const Identity& identity, const std::stop_token& stop) {
  auto found = go_as_set(identity, stop);
  if (!found) return fail(std::move(found.error().error));
  return std::move(*found);
}

std::expected<SecureConnection, DialError> Dialer::go_as_set(const Identity& identity,
                                                             const std::stop_token& stop) {
  switch (config_.mode) {
    case TeleportMode::kDirect:
      return go(route(Way::kDirect, ""), identity, stop);
    case TeleportMode::kTlsRouting:
      return go_routed(Way::kTlsRouting, identity, stop);
    case TeleportMode::kUpgrade:
      return go_routed(Way::kUpgrade, identity, stop);
    case TeleportMode::kAuto:
      break;
  }
  return search(identity, stop);
}

std::expected<SecureConnection, DialError> Dialer::go(const Route& route, const Identity& identity,
                                                      const std::stop_token& stop) {
  auto connection = dial(route, identity, Deadline::in(kDialMax, stop));
  if (!connection) {
    if (connection.error().is_not_auth) known_.reset();
    return connection;
  }
  description_ = describe(route);
  known_ = route;
  return connection;
}

// The cluster's name is needed to be routed; the proxy knows it, and else the identity does.
std::expected<SecureConnection, DialError> Dialer::go_routed(Way way, const Identity& identity,
                                                             const std::stop_token& stop) {
  if (known_) return go(*known_, identity, stop);
  const auto facts = ask_proxy(address_, config_.web_ca, Deadline::in(kAskMax, stop));
  if (facts) return go(route(way, facts->cluster), identity, stop);
  if (!identity.cluster.empty()) return go(route(way, identity.cluster), identity, stop);
  return std::unexpected(DialError{Error{
      facts.error().kind, fmt::format("the proxy at {} does not say which cluster it is of: {}",
                                      address_.to_string(), facts.error().message)}});
}

// Directly first: that costs nothing where it works, and where it does not, the answer tells
// whether it is worth while to ask for a proxy.
std::expected<SecureConnection, DialError> Dialer::search(const Identity& identity,
                                                          const std::stop_token& stop) {
  if (known_) {
    auto connection = go(*known_, identity, stop);
    if (connection || !connection.error().is_not_auth) return connection;
  }
  auto direct = go(route(Way::kDirect, ""), identity, stop);
  if (direct || !direct.error().is_not_auth || stop.stop_requested()) return direct;
  const auto facts = ask_proxy(address_, config_.web_ca, Deadline::in(kAskMax, stop));
  if (facts) return go_through_proxy(*facts, identity, stop);
  direct.error().error.message += fmt::format(
      "; nor is it a Teleport proxy, as far as can be seen ({})", facts.error().message);
  return direct;
}

std::expected<SecureConnection, DialError> Dialer::go_through_proxy(const ProxyFacts& facts,
                                                                    const Identity& identity,
                                                                    const std::stop_token& stop) {
  if (!facts.tls_routing) {
    return std::unexpected(DialError{
        Error{ErrorKind::kUnavailable,
              fmt::format("the Teleport proxy at {} (cluster {}) has no TLS routing, only SSH "
                          "tunnels, which Sluice does not use: set proxy_listener_mode: multiplex "
                          "there, or give the Auth service's own address (port 3025) as "
                          "teleport.addr",
                          address_.to_string(), facts.cluster)}});
  }
  auto routed = go(route(Way::kTlsRouting, facts.cluster), identity, stop);
  if (routed || !routed.error().is_not_auth || stop.stop_requested()) return routed;
  auto upgraded = go(route(Way::kUpgrade, facts.cluster), identity, stop);
  if (upgraded) return upgraded;
  upgraded.error().error.message =
      fmt::format("{}; and through a connection upgrade: {}", routed.error().error.message,
                  upgraded.error().error.message);
  return upgraded;
}

Route Dialer::route(Way way, const std::string& cluster) const {
  return Route{.way = way,
               .address = address_,
               .cluster = cluster,
               .web_ca = config_.web_ca,
               .resolver = resolver_};
}

}  // namespace sluice::fetcher
