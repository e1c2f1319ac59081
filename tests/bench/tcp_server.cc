#include "tests/bench/tcp_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>
#include <utility>

namespace sluice::bench {
namespace {

sockaddr_in local_address(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void send_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Result<std::unique_ptr<TcpServer>> TcpServer::start_closed(Serve serve) {
  OwnedFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = local_address(0);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(errno_error("serve on", "127.0.0.1"));
  }
  return std::unique_ptr<TcpServer>(new TcpServer(std::move(serve), std::move(listener)));
}

Result<std::unique_ptr<TcpServer>> TcpServer::start(Serve serve) {
  SLUICE_ASSIGN(auto server, start_closed(std::move(serve)));
  SLUICE_TRY(server->open());
  return server;
}

TcpServer::TcpServer(Serve serve, OwnedFd listener)
    : serve_(std::move(serve)), listener_(std::move(listener)) {}

TcpServer::~TcpServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  if (accepting_.joinable()) accepting_.join();
  for (const Client& client : clients_) ::shutdown(client.socket.get(), SHUT_RDWR);
}

Result<void> TcpServer::open() {
  if (::listen(listener_.get(), SOMAXCONN) != 0) return fail(errno_error("serve on", "127.0.0.1"));
  accepting_ = std::jthread([this] { accept_all(); });
  return {};
}

int TcpServer::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void TcpServer::accept_all() {
  while (true) {
    OwnedFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.is_open()) return;
    send_at_once(socket.get());
    Client& client = clients_.emplace_back(Client{.socket = std::move(socket), .thread = {}});
    client.thread = std::jthread([this, fd = client.socket.get()] {
      serve_(fd);
      ::shutdown(fd, SHUT_RDWR);
    });
  }
}

Result<OwnedFd> connect_to(int port) {
  OwnedFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = local_address(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(errno_error("connect to", "127.0.0.1"));
  }
  send_at_once(socket.get());
  return socket;
}

}  // namespace sluice::bench
