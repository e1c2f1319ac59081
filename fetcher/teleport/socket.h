// A TCP connection in the making: resolving, connecting, waiting, each within a time limit and
// until asked to stop.
//
// An error is a cause without the address it is about ("Connection refused"), for the caller's
// sentence.
#ifndef SLUICE_FETCHER_TELEPORT_SOCKET_H_
#define SLUICE_FETCHER_TELEPORT_SOCKET_H_

#include <netdb.h>

#include <chrono>
#include <expected>
#include <stop_token>
#include <string>
#include <utility>

#include "common/owned_fd.h"

namespace sluice::fetcher {

struct Deadline {
  std::chrono::steady_clock::time_point at;
  std::stop_token stop;

  static Deadline in(std::chrono::milliseconds time, std::stop_token stop) {
    return {std::chrono::steady_clock::now() + time, std::move(stop)};
  }
};

// Until one of `events` (as for poll()) has come. False: the time is over, or asked to stop.
bool wait_for(int fd, short events, const Deadline& deadline);

// Whether what failed with this errno on a non-blocking socket may succeed when tried again.
bool may_pass(int error);

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address
  std::string port;

  std::string to_string() const;
};

// "host:port", "[::1]:port" or "host", which gets `default_port`.
HostPort split_address(const std::string& address, const std::string& default_port);

// getaddrinfo(), or what stands in for it. It runs in a thread of its own, which can outlive the
// call of connect_tcp().
using Resolver = int (*)(const char* host, const char* service, const addrinfo* hints,
                         addrinfo** found);

struct ConnectFailure {
  bool resolved = false;
  std::string cause;
};

// Connected and non-blocking. Tries all addresses of the name, in the system's order (IPv6 and
// IPv4), each for a part of the time.
std::expected<OwnedFd, ConnectFailure> connect_tcp(const HostPort& to, const Deadline& deadline,
                                                   Resolver resolver = nullptr);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_SOCKET_H_
