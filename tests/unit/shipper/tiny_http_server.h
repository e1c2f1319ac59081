// A very small HTTP/1.1 server on the loopback, to see what the transport really sends, and to fail
// in ways that no real server does on demand.
#ifndef SLUICE_TESTS_UNIT_SHIPPER_TINY_HTTP_SERVER_H_
#define SLUICE_TESTS_UNIT_SHIPPER_TINY_HTTP_SERVER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice::shipper::fluentd {

class TinyHttpServer {
 public:
  struct Request {
    std::size_t connection = 0;  // counted from 0 as they were accepted
    std::string head;            // request line and headers
    std::string body;
  };
  // Returns the bytes to answer with; empty: close the connection without an answer. With
  // "Connection: close" in them it is closed after them. May block.
  using Handler = std::function<std::string(const Request&)>;

  explicit TinyHttpServer(Handler handler);
  ~TinyHttpServer();
  TinyHttpServer(const TinyHttpServer&) = delete;
  TinyHttpServer& operator=(const TinyHttpServer&) = delete;

  std::string url(const std::string& path) const;
  std::vector<Request> requests() const;
  std::vector<std::chrono::steady_clock::time_point> accepted_at() const;

  static std::string response(int status, const std::string& body = "",
                              const std::string& more_headers = "");

 private:
  void accept_connections(const std::stop_token& stop);
  void serve(int socket, std::size_t connection);

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::vector<std::chrono::steady_clock::time_point> accepted_at_;
  std::vector<int> sockets_;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_TESTS_UNIT_SHIPPER_TINY_HTTP_SERVER_H_
