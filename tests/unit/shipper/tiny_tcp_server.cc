#include "tests/unit/shipper/tiny_tcp_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "common/check.h"

namespace sluice::shipper::fluentd {

TinyTcpServer::TinyTcpServer(Serve serve) : serve_(std::move(serve)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  SLUICE_CHECK(::bind(listener_, generic, size) == 0, "the loopback must have a free port");
  SLUICE_CHECK(::listen(listener_, 64) == 0, "a bound socket must listen");
  SLUICE_CHECK(::getsockname(listener_, generic, &size) == 0, "a bound socket must have a name");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_connections(stop); });
}

TinyTcpServer::~TinyTcpServer() {
  acceptor_.request_stop();
  acceptor_.join();
  ::close(listener_);
  hang_up();
  connections_.clear();
  for (const int socket : sockets_) ::close(socket);
}

void TinyTcpServer::hang_up() {
  const std::lock_guard lock(mutex_);
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
}

void TinyTcpServer::accept_connections(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 20) != 1) continue;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const std::lock_guard lock(mutex_);
    const std::size_t connection = sockets_.size();
    accepted_at_.push_back(std::chrono::steady_clock::now());
    sockets_.push_back(socket);
    connections_.emplace_back([this, socket, connection] {
      serve_(socket, connection);
      ::shutdown(socket, SHUT_RDWR);
    });
  }
}

std::string TinyTcpServer::address(const std::string& host) const {
  return host + ":" + std::to_string(port_);
}

std::vector<std::chrono::steady_clock::time_point> TinyTcpServer::accepted_at() const {
  const std::lock_guard lock(mutex_);
  return accepted_at_;
}

}  // namespace sluice::shipper::fluentd
