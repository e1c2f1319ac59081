#include "fetcher/teleport/connection.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/status_code_enum.h>

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "fetcher/teleport/diagnosis.h"

namespace sluice::fetcher {
namespace {

// Larger than any event that Teleport can hold, and than any page of them.
constexpr int kReceiveBytesMax = 64 << 20;
// Teleport closes connections that ping more often than once a minute.
constexpr int kKeepaliveMs = 75'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
// The time limit of one try to connect, whatever gRPC's name for it says: TCP and TLS on a slow
// way.
constexpr int kConnectMaxMs = 15'000;
// For how long a found cause is taken to be that of further failures.
constexpr std::chrono::milliseconds kFindingLifetime{5'000};

std::shared_ptr<grpc::Channel> make_channel(const std::string& address, const Identity& identity) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = identity.ca_pem;
  tls.pem_private_key = identity.key_pem;
  tls.pem_cert_chain = identity.certificate_pem;
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(kAuthServerName);
  arguments.SetMaxReceiveMessageSize(kReceiveBytesMax);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMaxMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Without a pool of its own a new channel would share the old one's connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(tls), arguments);
}

// gRPC writes its own lines to standard error for each failed connection; our sentences say more.
void drop_log_line(gpr_log_func_args*) {}

ErrorKind kind_of(int code) {
  switch (code) {
    case grpc::UNIMPLEMENTED:
      return ErrorKind::kUnimplemented;
    case grpc::NOT_FOUND:
      return ErrorKind::kNotFound;
    case grpc::PERMISSION_DENIED:
    case grpc::UNAUTHENTICATED:
      return ErrorKind::kUnauthorized;
    case grpc::INVALID_ARGUMENT:
      return ErrorKind::kRejected;
    default:
      return ErrorKind::kUnavailable;
  }
}

std::string_view words_for(int code) {
  switch (code) {
    case grpc::CANCELLED:
      return "the call was cancelled";
    case grpc::INVALID_ARGUMENT:
      return "invalid argument";
    case grpc::DEADLINE_EXCEEDED:
      return "no answer in time";
    case grpc::NOT_FOUND:
      return "not found";
    case grpc::PERMISSION_DENIED:
      return "permission denied; the identity's role needs list on event, and read on session";
    case grpc::RESOURCE_EXHAUSTED:
      return "a limit was exceeded";
    case grpc::UNIMPLEMENTED:
      return "not implemented there";
    case grpc::UNAVAILABLE:
      return "unavailable";
    case grpc::UNAUTHENTICATED:
      return "not authenticated";
    default:
      return "trouble on the server";
  }
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::create(const TeleportConfig& config,
                                                       const Clock& clock) {
  gpr_set_log_function(&drop_log_line);
  SLUICE_ASSIGN(Identity identity, load_identity(config));
  return std::unique_ptr<Connection>(new Connection(config, clock, std::move(identity)));
}

Connection::Connection(TeleportConfig config, const Clock& clock, Identity identity)
    : config_(std::move(config)),
      clock_(clock),
      identity_(std::move(identity)),
      channel_(make_channel(config_.addr, identity_)),
      next_refresh_(clock_.monotonic() + config_.refresh_interval),
      refresh_trouble_("cannot renew the Teleport identity, the old one stays in use",
                       LogLevel::kWarn, clock) {}

std::shared_ptr<grpc::Channel> Connection::channel() {
  const std::lock_guard lock(mutex_);
  if (clock_.monotonic() >= next_refresh_) refresh_unlocked();
  return channel_;
}

void Connection::refresh_unlocked() {
  next_refresh_ = clock_.monotonic() + config_.refresh_interval;
  auto loaded = load_identity(config_);
  // A file that is being written is whole the next time; until then the old identity serves.
  refresh_problem_ = loaded ? "" : loaded.error().message;
  if (loaded) {
    refresh_trouble_.succeeded();
  } else {
    refresh_trouble_.failed(refresh_problem_);
  }
  if (!loaded || *loaded == identity_) return;
  identity_ = std::move(*loaded);
  channel_ = make_channel(config_.addr, identity_);
  log_info("the Teleport identity {} was renewed and is valid until {}", identity_.name,
           format_rfc3339(identity_.not_after));
}

Error Connection::explain(const CallFailure& failure, std::string_view what,
                          const std::stop_token& stop) {
  if (stop.stop_requested()) {
    return Error{ErrorKind::kStopped, fmt::format("asked to stop, so did not {}", what)};
  }
  if (failure.code == grpc::UNAVAILABLE || failure.code == grpc::UNAUTHENTICATED ||
      failure.code == grpc::DEADLINE_EXCEEDED) {
    return explain_unavailable(failure, what, stop);
  }
  return Error{kind_of(failure.code),
               fmt::format("cannot {} from Teleport at {}: {} ({})", what, config_.addr,
                           words_for(failure.code), failure.text)};
}

Error Connection::explain_unavailable(const CallFailure& failure, std::string_view what,
                                      const std::stop_token& stop) {
  std::optional<Error> cause;
  std::string aside;
  {
    const std::lock_guard lock(mutex_);
    cause = expiry_error(identity_, clock_.now());
    if (!refresh_problem_.empty()) aside = fmt::format("; and {}", refresh_problem_);
    // Whatever the cause, the next call should see a renewed identity; and it should try to
    // connect, where a channel that has failed would repeat its last failure until its own wait is
    // over.
    next_refresh_ = std::min(next_refresh_, clock_.monotonic());
    if (channel_->GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      channel_ = make_channel(config_.addr, identity_);
    }
  }
  if (!cause && failure.code != grpc::DEADLINE_EXCEEDED) cause = diagnose(stop);
  if (cause) {
    return Error{cause->kind, fmt::format("cannot {}: {}{}", what, cause->message, aside)};
  }
  return Error{kind_of(failure.code),
               fmt::format("cannot {} from Teleport at {}: {} ({}){}", what, config_.addr,
                           words_for(failure.code), failure.text, aside)};
}

std::optional<Error> Connection::diagnose(const std::stop_token& stop) {
  Identity identity;
  {
    const std::lock_guard lock(mutex_);
    identity = identity_;
  }
  const std::lock_guard lock(diagnosis_mutex_);
  if (!diagnosed_at_ || clock_.monotonic() - *diagnosed_at_ > kFindingLifetime) {
    finding_ = diagnose_connection(config_.addr, identity, stop);
    diagnosed_at_ = clock_.monotonic();
  }
  return finding_;
}

}  // namespace sluice::fetcher
