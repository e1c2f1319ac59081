#include "fetcher/teleport/http_proxy.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "common/base64.h"
#include "common/trimmed.h"
#include "fetcher/teleport/http_head.h"

namespace sluice::fetcher {
namespace {

std::string_view environment(const char* name, const char* other_name) {
  for (const char* variable : {name, other_name}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

// An entry is "*", a host, or a domain with or without a dot in front, each with an optional port.
bool is_excepted(const HostPort& to, std::string_view no_proxy) {
  while (!no_proxy.empty()) {
    const std::size_t comma = std::min(no_proxy.find(','), no_proxy.size());
    std::string_view entry = trimmed(no_proxy.substr(0, comma));
    no_proxy.remove_prefix(std::min(comma + 1, no_proxy.size()));
    if (entry == "*") return true;
    if (entry.ends_with(fmt::format(":{}", to.port))) entry.remove_suffix(to.port.size() + 1);
    if (entry.starts_with('.')) entry.remove_prefix(1);
    if (entry.empty()) continue;
    if (to.host == entry || to.host.ends_with(fmt::format(".{}", entry))) return true;
  }
  return false;
}

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char code = 0;
    const char* digits = text.data() + i + 1;
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2;
    plain.push_back(escape ? static_cast<char>(code) : text[i]);
    if (escape) i += 2;
  }
  return plain;
}

std::unexpected<Error> trouble(const HttpProxy& proxy, const HostPort& to, std::string_view cause) {
  return fail(ErrorKind::kUnavailable,
              fmt::format("the HTTP proxy {} (HTTPS_PROXY) does not pass us on to {}: {}",
                          proxy.address.to_string(), to.to_string(), cause));
}

bool send_all(int socket, std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (!may_pass(errno)) {
      return false;
    } else if (!wait_for(socket, POLLOUT, deadline)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<std::optional<HttpProxy>> proxy_for(const HostPort& to) {
  return proxy_for(to, environment("HTTPS_PROXY", "https_proxy"),
                   environment("NO_PROXY", "no_proxy"));
}

Result<std::optional<HttpProxy>> proxy_for(const HostPort& to, std::string_view https_proxy,
                                           std::string_view no_proxy) {
  const bool is_this_machine =
      to.host == "localhost" || to.host == "::1" || to.host.starts_with("127.");
  if (https_proxy.empty() || is_this_machine || is_excepted(to, no_proxy)) return std::nullopt;
  std::string_view rest = https_proxy;
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    if (rest.substr(0, scheme) != "http") {
      return fail(ErrorKind::kConfig,
                  fmt::format("HTTPS_PROXY names a proxy of kind {}, and only http:// can be used",
                              rest.substr(0, scheme)));
    }
    rest.remove_prefix(scheme + 3);
  }
  rest = rest.substr(0, rest.find('/'));
  HttpProxy proxy;
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    proxy.credentials = unescaped(rest.substr(0, at));
    rest.remove_prefix(at + 1);
  }
  proxy.address = split_address(std::string(rest), "80");
  if (proxy.address.host.empty() || proxy.address.port.empty()) {
    return fail(ErrorKind::kConfig,
                "HTTPS_PROXY has no host; it must be like http://proxy.example.com:3128");
  }
  return proxy;
}

Result<void> connect_through(const HttpProxy& proxy, const HostPort& to, int socket,
                             const Deadline& deadline) {
  std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", to.to_string());
  if (!proxy.credentials.empty()) {
    request += fmt::format("Proxy-Authorization: Basic {}\r\n", base64(proxy.credentials));
  }
  request += "\r\n";
  if (!send_all(socket, request, deadline)) return trouble(proxy, to, "it hung up");
  HttpHeadReader reader;
  // Byte by byte: what follows the head is no longer the proxy's.
  for (char byte = 0;;) {
    const ssize_t count = ::recv(socket, &byte, 1, 0);
    if (count == 0) return trouble(proxy, to, "it hung up");
    if (count < 0) {
      if (!may_pass(errno)) {
        return trouble(proxy, to, std::generic_category().message(errno));
      }
      if (!wait_for(socket, POLLIN, deadline)) return trouble(proxy, to, "no answer in time");
      continue;
    }
    const auto state = reader.feed({&byte, 1});
    if (state == HttpHeadReader::State::kMalformed) {
      return trouble(proxy, to, "its answer is not HTTP");
    }
    if (state == HttpHeadReader::State::kDone) break;
  }
  const HttpHead& head = reader.head();
  if (head.status / 100 == 2) return {};
  const char* cure = head.status == 407 ? "; give it a user: http://USER:PASSWORD@HOST:PORT" : "";
  return trouble(proxy, to, fmt::format("it answered {} {}{}", head.status, head.reason, cure));
}

}  // namespace sluice::fetcher
