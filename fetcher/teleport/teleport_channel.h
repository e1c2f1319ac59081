// A gRPC channel over a connection of ours to Teleport.
//
// It does not reconnect: when the connection ends, all calls fail, and error() says why. The
// channel is kept alive by calls on it. Threads: any.
#ifndef SLUICE_FETCHER_TELEPORT_TELEPORT_CHANNEL_H_
#define SLUICE_FETCHER_TELEPORT_TELEPORT_CHANNEL_H_

#include <memory>
#include <optional>
#include <string>

#include "common/error.h"
#include "fetcher/teleport/call_channel.h"
#include "fetcher/teleport/dial.h"
#include "fetcher/teleport/pump.h"

namespace sluice::fetcher {

class TeleportChannel {
 public:
  // kIo: the machine has no resources for it.
  static Result<std::shared_ptr<TeleportChannel>> make(SecureConnection connection);

  // For calls, which keep this alive until they have ended.
  CallChannel& calls() { return *calls_; }

  // Why the connection ended; nothing while it stands.
  std::optional<std::string> error() const { return pump_->error(); }

 private:
  explicit TeleportChannel(std::unique_ptr<Pump> pump);

  std::unique_ptr<Pump> pump_;
  std::optional<CallChannel> calls_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_TELEPORT_CHANNEL_H_
