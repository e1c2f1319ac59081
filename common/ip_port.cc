#include "common/ip_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <system_error>

namespace sluice {

std::optional<SocketAddress> parse_ip_port(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto number = std::from_chars(text.data() + colon + 1, end, port);
  if (number.ec != std::errc() || number.ptr != end) return std::nullopt;
  const std::string host = text.substr(0, colon);
  SocketAddress address;
  if (host.starts_with('[') && host.ends_with(']')) {
    sockaddr_in6 made{};
    made.sin6_family = AF_INET6;
    made.sin6_port = htons(port);
    const std::string inner = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, inner.c_str(), &made.sin6_addr) != 1) return std::nullopt;
    std::memcpy(&address.storage, &made, address.size = sizeof made);
  } else {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &made.sin_addr) != 1) return std::nullopt;
    std::memcpy(&address.storage, &made, address.size = sizeof made);
  }
  return address;
}

}  // namespace sluice
