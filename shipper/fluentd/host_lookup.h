// Finds the addresses of a host without making the caller wait.
//
// getaddrinfo() cannot be interrupted, and with a name server that does not answer it takes many
// seconds: it has a thread of its own, which is left to itself when the lookup is given up. An
// address that is given as one needs no thread.
//
// One thread calls; the other one signals `done`, which it shares.
#ifndef SLUICE_SHIPPER_FLUENTD_HOST_LOOKUP_H_
#define SLUICE_SHIPPER_FLUENTD_HOST_LOOKUP_H_

#include <sys/socket.h>

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shipper/fluentd/event_fd.h"

namespace sluice::shipper::fluentd {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

class HostLookup {
 public:
  // Never without an address; in the order in which they are to be tried. Otherwise the cause, in
  // the system's words.
  using Outcome = std::expected<std::vector<SocketAddress>, std::string>;

  HostLookup(const std::string& host, const std::string& port, std::shared_ptr<EventFd> done);

  // Once it is there; nothing before.
  std::optional<Outcome> take();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_HOST_LOOKUP_H_
