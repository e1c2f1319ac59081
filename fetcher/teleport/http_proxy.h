// The way through an HTTP proxy, as HTTPS_PROXY and NO_PROXY in the environment name it.
//
// Errors are sentences about the proxy.
#ifndef SLUICE_FETCHER_TELEPORT_HTTP_PROXY_H_
#define SLUICE_FETCHER_TELEPORT_HTTP_PROXY_H_

#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "fetcher/teleport/socket.h"

namespace sluice::fetcher {

struct HttpProxy {
  HostPort address;
  std::string credentials;  // "user:password"; empty: none
};

// Which one the environment names for the way to `to`; nothing: connect without one. kConfig: it
// cannot be used.
Result<std::optional<HttpProxy>> proxy_for(const HostPort& to);
// The same, given the values of the two variables.
Result<std::optional<HttpProxy>> proxy_for(const HostPort& to, std::string_view https_proxy,
                                           std::string_view no_proxy);

// Asks the proxy, to which `socket` is connected, to pass bytes on to `to`.
Result<void> connect_through(const HttpProxy& proxy, const HostPort& to, int socket,
                             const Deadline& deadline);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_HTTP_PROXY_H_
