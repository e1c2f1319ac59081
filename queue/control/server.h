// Serves a control socket: takes requests from a few clients at once and answers each.
//
// Nothing that a client does can harm more than its own connection: messages, connections and time
// are bounded, and a new client takes the place of the one that has kept the server waiting for
// longest. Requests are handled one after the other on the server's thread.
#ifndef SLUICE_QUEUE_CONTROL_SERVER_H_
#define SLUICE_QUEUE_CONTROL_SERVER_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice::queue {

struct ControlServerOptions {
  std::filesystem::path socket;
  std::size_t clients_max = 16;
  // From a client's connection, or its last answer, to the end of its next request; and for taking
  // an answer.
  std::chrono::milliseconds patience{10'000};
};

class ControlServer {
 public:
  // Answers the bytes of a request that a process of the user `peer` has sent.
  using Handle = std::function<std::string(std::string_view request, uid_t peer)>;

  // Listens when this returns. The caller has the lock that makes the socket its own.
  static Result<std::unique_ptr<ControlServer>> start(const ControlServerOptions& options,
                                                      Handle handle);
  // Ends the connections, removes the socket.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_SERVER_H_
