// Listens on a port of 127.0.0.1 and serves each connection on a thread of its own.
#ifndef SLUICE_TESTS_BENCH_TCP_SERVER_H_
#define SLUICE_TESTS_BENCH_TCP_SERVER_H_

#include <functional>
#include <list>
#include <memory>
#include <thread>

#include "common/error.h"
#include "common/owned_fd.h"

namespace sluice::bench {

class TcpServer {
 public:
  // Serves one connection until that ends. From any connection's thread.
  using Serve = std::function<void(int fd)>;

  // On a free port.
  static Result<std::unique_ptr<TcpServer>> start(Serve serve);
  // The same, but connections are refused until open().
  static Result<std::unique_ptr<TcpServer>> start_closed(Serve serve);
  // Ends all connections: what serves them must return then.
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  Result<void> open();
  int port() const;

 private:
  struct Client {
    OwnedFd socket;
    std::jthread thread;
  };

  TcpServer(Serve serve, OwnedFd listener);
  void accept_all();

  const Serve serve_;
  const OwnedFd listener_;
  std::list<Client> clients_;  // of the accepting thread, until that has ended
  std::jthread accepting_;
};

// Connects to a port of 127.0.0.1.
Result<OwnedFd> connect_to(int port);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_TCP_SERVER_H_
