// A Unix socket on which a test gives orders: one line in, one line out, any number of clients.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_SOCKET_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_SOCKET_H_

#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"

namespace sluice::teleport_sim {

// Serves from its own threads between open() and its destruction.
class ControlSocket {
 public:
  // Takes a line without its end, gives the answer without an end. Called by several threads.
  using Handler = std::function<std::string(const std::string&)>;

  ControlSocket() = default;
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket();

  // Replaces whatever lies at `path`.
  Result<void> open(const std::string& path, Handler handler);

 private:
  void accept_clients(const std::stop_token& stop);
  void serve(const std::stop_token& stop, int client) const;

  std::string path_;
  int listener_ = -1;
  Handler handler_;
  std::vector<std::jthread> clients_;  // touched by the acceptor alone while it runs
  std::jthread acceptor_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_SOCKET_H_
