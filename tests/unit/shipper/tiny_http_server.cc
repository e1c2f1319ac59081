#include "tests/unit/shipper/tiny_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "common/check.h"

namespace sluice::shipper::fluentd {
namespace {

// Reads until `buffer` has the whole of a request. False: the peer has closed.
bool read_request(int socket, std::string* buffer, TinyHttpServer::Request* request) {
  std::array<char, 16'384> chunk{};
  while (true) {
    const auto end = buffer->find("\r\n\r\n");
    if (end != std::string::npos) {
      const auto length_at = buffer->find("Content-Length: ");
      const std::size_t length =
          length_at < end ? std::strtoul(buffer->c_str() + length_at + 16, nullptr, 10) : 0;
      if (buffer->size() >= end + 4 + length) {
        request->head = buffer->substr(0, end + 2);
        request->body = buffer->substr(end + 4, length);
        buffer->erase(0, end + 4 + length);
        return true;
      }
    }
    const auto got = ::recv(socket, chunk.data(), chunk.size(), 0);
    if (got <= 0) return false;
    buffer->append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

TinyHttpServer::TinyHttpServer(Handler handler) : handler_(std::move(handler)) {
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

TinyHttpServer::~TinyHttpServer() {
  acceptor_.request_stop();
  acceptor_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  connections_.clear();
  for (const int socket : sockets_) ::close(socket);
}

void TinyHttpServer::accept_connections(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 20) != 1) continue;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const std::lock_guard lock(mutex_);
    const std::size_t connection = sockets_.size();
    accepted_at_.push_back(std::chrono::steady_clock::now());
    sockets_.push_back(socket);
    connections_.emplace_back([this, socket, connection] { serve(socket, connection); });
  }
}

void TinyHttpServer::serve(int socket, std::size_t connection) {
  std::string buffer;
  Request request;
  request.connection = connection;
  while (read_request(socket, &buffer, &request)) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const std::string response = handler_(request);
    if (response.empty()) break;
    if (::send(socket, response.data(), response.size(), MSG_NOSIGNAL) < 0) break;
    if (response.find("Connection: close\r\n") != std::string::npos) break;
  }
  ::shutdown(socket, SHUT_RDWR);
}

std::string TinyHttpServer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<TinyHttpServer::Request> TinyHttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<std::chrono::steady_clock::time_point> TinyHttpServer::accepted_at() const {
  const std::lock_guard lock(mutex_);
  return accepted_at_;
}

std::string TinyHttpServer::response(int status, const std::string& body,
                                     const std::string& more_headers) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_headers + "\r\n" +
         body;
}

}  // namespace sluice::shipper::fluentd
