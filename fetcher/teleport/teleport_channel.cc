#include "fetcher/teleport/teleport_channel.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "fetcher/source/event_api.h"

namespace sluice::fetcher {
namespace {

// Teleport closes connections that ping more often than once a minute, so not by far; a connection
// that is gone shows by the socket's own limits, too.
constexpr int kKeepaliveMs = 75'000;
static_assert(kKeepaliveMs > 60'000, "Teleport answers a shorter one with too_many_pings");
constexpr int kKeepaliveTimeoutMs = 20'000;

}  // namespace

Result<std::shared_ptr<TeleportChannel>> TeleportChannel::make(SecureConnection connection) {
  SLUICE_ASSIGN(auto pump, Pump::start(std::move(connection)));
  return std::shared_ptr<TeleportChannel>(new TeleportChannel(std::move(pump)));
}

TeleportChannel::TeleportChannel(std::unique_ptr<Pump> pump) : pump_(std::move(pump)) {
  grpc::ChannelArguments arguments;
  // Without this gRPC sends the name of its own test server.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, kAuthServerName);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  calls_.emplace(
      grpc::CreateCustomInsecureChannelFromFd("teleport", pump_->take_local_end(), arguments));
}

}  // namespace sluice::fetcher
