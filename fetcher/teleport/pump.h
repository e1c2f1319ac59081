// Passes bytes between a TLS connection and a local file descriptor, which is what gRPC gets: so
// TLS is ours, and gRPC's part is HTTP/2.
//
// One thread of its own, bounded memory: when one side does not take more, the other is not read.
// The destructor ends it at once. Threads: error() from any.
#ifndef SLUICE_FETCHER_TELEPORT_PUMP_H_
#define SLUICE_FETCHER_TELEPORT_PUMP_H_

#include <memory>
#include <optional>
#include <string>

#include "common/error.h"
#include "fetcher/teleport/dial.h"

namespace sluice::fetcher {

class Pump {
 public:
  // kIo: no file descriptors or threads are left.
  static Result<std::unique_ptr<Pump>> start(SecureConnection connection);
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // The local end, non-blocking; the caller's from then on. To be called once.
  int take_local_end();

  // Why the connection ended, as a cause ("the server closed the connection"); nothing while it
  // runs, and if we ended it.
  std::optional<std::string> error() const;

 private:
  class Loop;
  explicit Pump(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_PUMP_H_
