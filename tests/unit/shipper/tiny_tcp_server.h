// What the tiny servers of the transports' tests share: a port on the loopback, and a thread for
// each connection.
#ifndef SLUICE_TESTS_UNIT_SHIPPER_TINY_TCP_SERVER_H_
#define SLUICE_TESTS_UNIT_SHIPPER_TINY_TCP_SERVER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice::shipper::fluentd {

class TinyTcpServer {
 public:
  // Serves one connection, counted from 0 as they were accepted, until it ends; then that is shut
  // down. On a thread of its own.
  using Serve = std::function<void(int socket, std::size_t connection)>;

  explicit TinyTcpServer(Serve serve);
  // Ends all connections; `serve` must return then.
  ~TinyTcpServer();
  TinyTcpServer(const TinyTcpServer&) = delete;
  TinyTcpServer& operator=(const TinyTcpServer&) = delete;

  // "127.0.0.1:8888"
  std::string address(const std::string& host = "127.0.0.1") const;
  std::vector<std::chrono::steady_clock::time_point> accepted_at() const;
  // Ends all connections that there are.
  void hang_up();

 private:
  void accept_connections(const std::stop_token& stop);

  const Serve serve_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::chrono::steady_clock::time_point> accepted_at_;
  std::vector<int> sockets_;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_TESTS_UNIT_SHIPPER_TINY_TCP_SERVER_H_
