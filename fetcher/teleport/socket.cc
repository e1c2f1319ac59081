#include "fetcher/teleport/socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStopCheck{100};
// One address that swallows everything must not use up the time of the others.
constexpr milliseconds kAddressMax{3'000};
// How long sent bytes may stay unacknowledged: a peer that is gone shows by that.
constexpr unsigned kUnacknowledgedMaxMs = 30'000;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

std::string errno_text(int code) { return std::generic_category().message(code); }

// A name being resolved. getaddrinfo() cannot be interrupted, and with a resolver that does not
// answer it takes many seconds; so it has a thread of its own, which nobody waits for after a stop.
struct Resolution {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool done = false;
  int failed = 0;  // as getaddrinfo() returns it
  Addresses found;
};

void resolve(Resolver resolver, const HostPort& address, Resolution* resolution) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = resolver(address.host.c_str(), address.port.c_str(), &hints, &found);
  const std::lock_guard lock(resolution->mutex);
  resolution->failed = failed;
  if (failed == 0) resolution->found.reset(found);
  resolution->done = true;
  resolution->changed.notify_all();
}

std::expected<Addresses, std::string> resolve_until(Resolver resolver, HostPort address,
                                                    const Deadline& deadline) {
  const auto shared = std::make_shared<Resolution>();
  try {
    std::thread([shared, resolver, address = std::move(address)] {
      resolve(resolver, address, shared.get());
    }).detach();
  } catch (const std::system_error& error) {
    return std::unexpected(fmt::format("no thread can be started for it: {}", error.what()));
  }
  std::unique_lock lock(shared->mutex);
  if (!shared->changed.wait_until(lock, deadline.stop, deadline.at, [&] { return shared->done; })) {
    return std::unexpected("the resolver does not answer");
  }
  if (shared->failed != 0) return std::unexpected(std::string(::gai_strerror(shared->failed)));
  return std::move(shared->found);
}

void set_options(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMaxMs,
               sizeof kUnacknowledgedMaxMs);
}

std::expected<OwnedFd, std::string> connect_to(const addrinfo& target, const Deadline& deadline) {
  OwnedFd socket(::socket(target.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return std::unexpected(errno_text(errno));
  set_options(socket.get());
  if (::connect(socket.get(), target.ai_addr, target.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return std::unexpected(errno_text(errno));
  const auto begun = std::chrono::steady_clock::now();
  Deadline part = deadline;
  if (target.ai_next != nullptr) part.at = std::min(part.at, begun + kAddressMax);
  if (!wait_for(socket.get(), POLLOUT, part)) {
    const auto waited = std::chrono::steady_clock::now() - begun;
    return std::unexpected(
        fmt::format("no answer within {:.0f} s", std::chrono::duration<double>(waited).count()));
  }
  int code = 0;
  socklen_t size = sizeof code;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) return std::unexpected(errno_text(code));
  return socket;
}

}  // namespace

bool wait_for(int fd, short events, const Deadline& deadline) {
  while (!deadline.stop.stop_requested()) {
    const auto left =
        std::chrono::ceil<milliseconds>(deadline.at - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min(left, kStopCheck).count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
  return false;
}

bool may_pass(int error) { return error == EAGAIN || error == EINTR; }

std::string HostPort::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

HostPort split_address(const std::string& address, const std::string& default_port) {
  if (address.starts_with('[')) {
    const std::size_t end = address.find(']');
    if (end != std::string::npos) {
      const bool has_port = address.compare(end + 1, 1, ":") == 0;
      return {address.substr(1, end - 1), has_port ? address.substr(end + 2) : default_port};
    }
  }
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {address, default_port};
  return {address.substr(0, colon), address.substr(colon + 1)};
}

std::expected<OwnedFd, ConnectFailure> connect_tcp(const HostPort& to, const Deadline& deadline,
                                                   Resolver resolver) {
  const auto targets = resolve_until(resolver != nullptr ? resolver : &::getaddrinfo, to, deadline);
  if (!targets) return std::unexpected(ConnectFailure{false, targets.error()});
  ConnectFailure failure{true, "it has no address"};
  for (const addrinfo* target = targets->get(); target != nullptr; target = target->ai_next) {
    auto socket = connect_to(*target, deadline);
    if (socket) return std::move(*socket);
    failure.cause = socket.error();
    if (deadline.stop.stop_requested()) break;
  }
  return std::unexpected(failure);
}

}  // namespace sluice::fetcher
