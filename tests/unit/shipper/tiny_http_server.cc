#include "tests/unit/shipper/tiny_http_server.h"

#include <sys/socket.h>

#include <array>
#include <cstdlib>

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

TinyHttpServer::TinyHttpServer(Handler handler)
    : handler_(std::move(handler)),
      server_([this](int socket, std::size_t connection) { serve(socket, connection); }) {}

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
}

std::string TinyHttpServer::url(const std::string& path) const {
  return "http://" + server_.address() + path;
}

std::vector<TinyHttpServer::Request> TinyHttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string TinyHttpServer::response(int status, const std::string& body,
                                     const std::string& more_headers) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_headers + "\r\n" +
         body;
}

}  // namespace sluice::shipper::fluentd
