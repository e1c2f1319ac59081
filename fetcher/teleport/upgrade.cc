#include "fetcher/teleport/upgrade.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "common/base64.h"
#include "common/random.h"
#include "fetcher/teleport/http_head.h"
#include "fetcher/teleport/web_socket.h"

namespace sluice::fetcher {
namespace {

// What the proxy is asked to speak inside: the bytes of a connection to its web port.
constexpr std::string_view kSubProtocol = "alpn";

std::string random_key() {
  std::array<std::uint8_t, 16> bytes{};
  fill_random(bytes);
  return base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Result<void> check(const HttpHead& head, const std::string& key) {
  if (head.status == 404) {
    return fail(ErrorKind::kRejected,
                "it knows no connection upgrade (404), so it is no Teleport proxy, or an old one");
  }
  if (head.status != 101) {
    return fail(ErrorKind::kRejected, fmt::format("it answered the connection upgrade with {} {}",
                                                  head.status, head.reason));
  }
  if (head.field("sec-websocket-accept") != web_socket_accept(key) ||
      head.field("sec-websocket-protocol") != kSubProtocol) {
    return fail(ErrorKind::kRejected,
                "it accepted the connection upgrade, but not to what Teleport's proxy speaks");
  }
  return {};
}

}  // namespace

Result<std::string> upgrade_connection(TlsSession* tls, const HostPort& proxy,
                                       const Deadline& deadline) {
  const std::string key = random_key();
  const std::string request = fmt::format(
      "GET /webapi/connectionupgrade HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n"
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n"
      "Sec-WebSocket-Protocol: {}\r\n\r\n",
      proxy.to_string(), key, kSubProtocol);
  if (const auto failure = tls->write_all(request, deadline)) {
    return fail(ErrorKind::kUnavailable, failure->cause);
  }
  HttpHeadReader reader;
  std::array<char, 4096> bytes{};
  while (true) {
    const auto count = tls->read_some(bytes, deadline);
    if (!count) {
      const std::string& cause = count.error().cause;
      return fail(ErrorKind::kUnavailable, cause.empty() ? "it hung up" : cause);
    }
    const auto state = reader.feed({bytes.data(), *count});
    if (state == HttpHeadReader::State::kMalformed) {
      return fail(ErrorKind::kRejected, "its answer to the connection upgrade is not HTTP");
    }
    if (state == HttpHeadReader::State::kDone) break;
  }
  SLUICE_TRY(check(reader.head(), key));
  return std::string(reader.rest());
}

}  // namespace sluice::fetcher
