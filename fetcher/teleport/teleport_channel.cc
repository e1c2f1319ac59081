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
  channel_ =
      grpc::CreateCustomInsecureChannelFromFd("teleport", pump_->take_local_end(), arguments);
  // gRPC looks at such a channel only while somebody waits: with no call under way pings would go
  // unanswered, and the connection be taken for dead.
  poller_ = std::thread([this] {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  });
}

TeleportChannel::~TeleportChannel() {
  channel_.reset();
  queue_.Shutdown();
  poller_.join();
}

std::shared_ptr<grpc::Channel> TeleportChannel::for_calls(
    const std::shared_ptr<TeleportChannel>& channel) {
  return {channel, channel->channel_.get()};
}

}  // namespace sluice::fetcher
