// The form of HOST:PORT. Pure functions, any thread.
#ifndef SLUICE_COMMON_HOST_PORT_H_
#define SLUICE_COMMON_HOST_PORT_H_

#include <string_view>

namespace sluice {

// Whether it is a host name, an IPv4 address or an IPv6 address in brackets, and a port behind a
// colon. There is nothing in it that could end a quoted text.
bool is_host_port(std::string_view text);

}  // namespace sluice

#endif  // SLUICE_COMMON_HOST_PORT_H_
