// A very small HTTP/1.1 server on the loopback, to see what the transport really sends, and to fail
// in ways that no real server does on demand.
#ifndef SLUICE_TESTS_UNIT_SHIPPER_TINY_HTTP_SERVER_H_
#define SLUICE_TESTS_UNIT_SHIPPER_TINY_HTTP_SERVER_H_

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/unit/shipper/tiny_tcp_server.h"

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
  TinyHttpServer(const TinyHttpServer&) = delete;
  TinyHttpServer& operator=(const TinyHttpServer&) = delete;

  std::string url(const std::string& path) const;
  std::vector<Request> requests() const;
  std::vector<std::chrono::steady_clock::time_point> accepted_at() const {
    return server_.accepted_at();
  }

  static std::string response(int status, const std::string& body = "",
                              const std::string& more_headers = "");

 private:
  void serve(int socket, std::size_t connection);

  Handler handler_;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  TinyTcpServer server_;  // last, so that its threads end before the others are gone
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_TESTS_UNIT_SHIPPER_TINY_HTTP_SERVER_H_
