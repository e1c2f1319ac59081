#include "fetcher/teleport/dial.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "fetcher/teleport/http_proxy.h"
#include "fetcher/teleport/transport_bio.h"
#include "fetcher/teleport/upgrade.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

// With TLS 1.3 a server's refusal of our certificate comes only after the handshake; one that takes
// it speaks first, too (HTTP/2 settings).
constexpr milliseconds kVerdictMax{2'000};

std::unexpected<DialError> failed(ErrorKind kind, std::string sentence, bool is_not_auth = false) {
  return std::unexpected(DialError{Error{kind, std::move(sentence)}, is_not_auth});
}

std::unexpected<DialError> stopped() {
  return failed(ErrorKind::kStopped, "asked to stop while connecting to Teleport");
}

std::expected<OwnedFd, DialError> connect(const Route& route, const Deadline& deadline) {
  const auto proxy = proxy_for(route.address);
  if (!proxy) return failed(proxy.error().kind, proxy.error().message);
  const HostPort& target = *proxy ? (*proxy)->address : route.address;
  auto socket = connect_tcp(target, deadline, route.resolver);
  if (deadline.stop.stop_requested()) return stopped();
  if (!socket) {
    const std::string what =
        *proxy ? fmt::format("the HTTP proxy {} (HTTPS_PROXY)", target.to_string())
               : fmt::format("Teleport at {}", target.to_string());
    const auto& [resolved, cause] = socket.error();
    if (resolved) {
      return failed(ErrorKind::kUnavailable, fmt::format("cannot connect to {}: {}", what, cause));
    }
    return failed(ErrorKind::kUnavailable,
                  fmt::format("the address of {} cannot be resolved: {}", what, cause));
  }
  if (*proxy) {
    if (auto passed = connect_through(**proxy, route.address, socket->get(), deadline); !passed) {
      if (deadline.stop.stop_requested()) return stopped();
      return failed(passed.error().kind, passed.error().message);
    }
  }
  return std::move(*socket);
}

// TLS with the load balancer, and a WebSocket in it.
std::optional<DialError> go_outside(const Route& route, const Deadline& deadline,
                                    SecureConnection* connection) {
  const std::string where = route.address.to_string();
  TlsOptions options;
  options.server_name = route.address.host;
  options.protocols = {"http/1.1"};
  options.ca_file = route.web_ca;
  auto outer = TlsSession::create(options, new_socket_transport(connection->socket.get()),
                                  connection->socket.get());
  if (!outer) return DialError{std::move(outer.error())};
  if (const auto failure = (*outer)->handshake(deadline)) {
    const bool untrusted = failure->trouble == TlsTrouble::kUntrusted;
    const char* cure = untrusted ? "; name its CA with [teleport] web-ca" : "";
    return failed(ErrorKind::kUnavailable,
                  fmt::format("TLS with the load balancer of Teleport's proxy at {} failed: {}{}",
                              where, failure->cause, cure))
        .error();
  }
  auto rest = upgrade_connection(outer->get(), route.address, deadline);
  if (!rest) {
    return failed(
               ErrorKind::kUnavailable,
               fmt::format("Teleport's proxy at {} cannot be reached through its load balancer: {}",
                           where, rest.error().message))
        .error();
  }
  connection->outer = std::move(*outer);
  connection->web_socket = std::make_unique<WebSocketTransport>(connection->outer.get(), *rest);
  return std::nullopt;
}

std::vector<std::string> protocols_of(const Route& route) {
  if (route.way == Way::kDirect) return {"h2"};
  return {auth_protocol(route.cluster), "h2"};
}

DialError not_auth(ErrorKind kind, std::string sentence) {
  return {Error{kind, std::move(sentence)}, true};
}

// The server refuses every protocol that we offer, or the name that we ask for.
DialError explain_refused_name(const std::string& said, const Route& route) {
  const std::string where = route.address.to_string();
  if (route.way == Way::kDirect) {
    return not_auth(
        ErrorKind::kUnavailable,
        fmt::format("the server at {} does not speak what Teleport's Auth service speaks ({}); is "
                    "this its address?",
                    where, said));
  }
  return not_auth(
      ErrorKind::kUnavailable,
      fmt::format(
          "the proxy at {} does not route to the Auth service of cluster {} ({}): check the "
          "cluster's name, and that TLS routing is on",
          where, route.cluster, said));
}

// The words for a TLS connection to Auth that failed.
DialError explain(const TlsFailure& failure, const Route& route, const Identity& identity) {
  const std::string where = route.address.to_string();
  if (failure.trouble == TlsTrouble::kUntrusted) {
    return not_auth(
        ErrorKind::kUnauthorized,
        fmt::format("the certificate of the server at {} is not trusted by the CA in {} ({}): the "
                    "identity is of another cluster, or this is not Teleport's Auth service",
                    where, identity.name, failure.cause));
  }
  const std::string cause =
      failure.cause.empty() ? "the server closed the connection" : failure.cause;
  const bool was_alert = failure.trouble == TlsTrouble::kAlert;
  const std::string said = was_alert ? fmt::format("it sent \"{}\"", cause) : cause;
  if (failure.alert == SSL_AD_NO_APPLICATION_PROTOCOL ||
      failure.alert == SSL_AD_UNRECOGNIZED_NAME) {
    return explain_refused_name(said, route);
  }
  if (was_alert || failure.after_handshake) {
    return {Error{ErrorKind::kUnauthorized,
                  fmt::format("Teleport at {} does not accept the identity {} ({}), which is valid "
                              "until {}: it may be of another cluster, or the cluster's CA was "
                              "rotated",
                              where, identity.name, said, format_rfc3339(identity.not_after))}};
  }
  return {
      Error{ErrorKind::kUnavailable,
            fmt::format("TLS with {} failed: {}; is this Teleport's Auth service?", where, cause)},
      failure.trouble == TlsTrouble::kOther};
}

}  // namespace

std::string auth_protocol(const std::string& cluster) {
  std::string name = "teleport-auth@";
  for (const char c : cluster) name += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return name + ".teleport.cluster.local";
}

std::expected<SecureConnection, DialError> dial(const Route& route, const Identity& identity,
                                                const Deadline& deadline) {
  SecureConnection connection;
  auto socket = connect(route, deadline);
  if (!socket) return std::unexpected(std::move(socket.error()));
  connection.socket = std::move(*socket);
  const int fd = connection.socket.get();
  if (route.way == Way::kUpgrade) {
    if (auto failure = go_outside(route, deadline, &connection)) {
      if (deadline.stop.stop_requested()) return stopped();
      return std::unexpected(std::move(*failure));
    }
  }
  TlsOptions options;
  options.server_name = kAuthServerName;
  options.protocols = protocols_of(route);
  options.identity = &identity;
  auto transport =
      connection.web_socket ? connection.web_socket->new_bio() : new_socket_transport(fd);
  auto tls = TlsSession::create(options, std::move(transport), fd);
  if (!tls) return std::unexpected(DialError{std::move(tls.error())});
  connection.tls = std::move(*tls);
  auto failure = connection.tls->handshake(deadline);
  if (!failure && connection.tls->protocol() != "h2") {
    return failed(ErrorKind::kUnavailable,
                  fmt::format("the server at {} speaks TLS, but not gRPC (ALPN \"{}\"): it is not "
                              "Teleport's Auth service, or something between ends TLS",
                              route.address.to_string(), connection.tls->protocol()),
                  true);
  }
  if (!failure) {
    Deadline verdict = deadline;
    verdict.at = std::min(verdict.at, std::chrono::steady_clock::now() + kVerdictMax);
    failure = connection.tls->wait_for_data(verdict);
  }
  if (deadline.stop.stop_requested()) return stopped();
  if (failure) return std::unexpected(explain(*failure, route, identity));
  return connection;
}

}  // namespace sluice::fetcher
