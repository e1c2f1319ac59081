// The form of IP:PORT, such as 127.0.0.1:9464 or [::1]:9464. Pure; any thread.
#ifndef SLUICE_COMMON_IP_PORT_H_
#define SLUICE_COMMON_IP_PORT_H_

#include <sys/socket.h>

#include <optional>
#include <string>

namespace sluice {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// Nothing: it is something else, such as a host name.
std::optional<SocketAddress> parse_ip_port(const std::string& text);

}  // namespace sluice

#endif  // SLUICE_COMMON_IP_PORT_H_
