#include "fetcher/teleport/connection.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/support/status_code_enum.h>

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/message_kinds.h"
#include "common/process_note.h"
#include "fetcher/teleport/teleport_channel.h"

namespace sluice::fetcher {
namespace {

// For how long a failure to connect is taken to be that of the others who need the connection.
constexpr std::chrono::milliseconds kFailureShared{500};

// How often the identity's files are looked at for a change.
constexpr std::chrono::milliseconds kLookInterval{1'000};

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

// gRPC refuses a message for its size with the code that a server's own limits have.
bool is_too_large(const CallFailure& failure) {
  return failure.code == grpc::RESOURCE_EXHAUSTED &&
         failure.text.find("message larger than max") != std::string::npos;
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
      return "permission denied";
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
  if (const auto warning = permission_warning(config))
    log_message(message::kIdentityPermissions, {}, "{}", *warning);
  return std::unique_ptr<Connection>(new Connection(config, clock, std::move(identity)));
}

Connection::Connection(const TeleportConfig& config, const Clock& clock, Identity identity)
    : config_(config),
      clock_(clock),
      dialer_(config),
      identity_(std::move(identity)),
      next_refresh_(clock_.monotonic() + config_.refresh_interval),
      refresh_trouble_(message::kIdentityNotRenewed,
                       "cannot renew the Teleport identity, the old one stays in use", clock) {
  note_certificates({{"identity", to_unix_ms(identity_.not_after)}});
}

Result<std::shared_ptr<TeleportChannel>> Connection::channel(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (refresh_due_unlocked()) refresh_unlocked(stop);
  warn_of_expiry_unlocked();
  if (channel_ && channel_->error()) channel_.reset();
  if (!channel_) SLUICE_TRY(connect_unlocked(stop));
  return channel_;
}

bool Connection::refresh_due_unlocked() {
  const auto now = clock_.monotonic();
  if (now >= next_refresh_) return true;
  if (now < next_look_) return false;
  next_look_ = now + kLookInterval;
  return stamp_of_identity_files(config_) != stamp_;
}

void Connection::warn_of_expiry_unlocked() {
  const Timestamp now = clock_.now();
  const LifeLeft left = life_left(identity_, now);
  if (left <= warned_of_ || now > identity_.not_after) return;
  warned_of_ = left;
  log_message(
      message::kIdentityExpires, {},
      "the Teleport identity {} expires at {}, in {}, and has not been renewed yet: check tbot, or "
      "renew it with tctl auth sign",
      identity_.name, format_rfc3339(identity_.not_after),
      format_duration(std::chrono::seconds(identity_.not_after.seconds - now.seconds)));
}

// A new identity that cannot connect does not harm the connection that stands: it is tried again
// with the next refresh.
void Connection::refresh_unlocked(const std::stop_token& stop) {
  next_refresh_ = clock_.monotonic() + config_.refresh_interval;
  // Before the reading: what is written meanwhile is read again.
  stamp_ = stamp_of_identity_files(config_);
  load_renewed_unlocked();
  if (!renewed_ || !channel_ || channel_->error()) return;
  if (const auto connected = connect_unlocked(stop); !connected) {
    refresh_trouble_.failed(connected.error().message);
  }
}

void Connection::load_renewed_unlocked() {
  auto loaded = load_identity(config_);
  // A file that is being written is whole the next time; until then the old identity serves.
  refresh_problem_ = loaded ? "" : loaded.error().message;
  if (!loaded) {
    refresh_trouble_.failed(refresh_problem_);
    return;
  }
  refresh_trouble_.succeeded();
  if (*loaded == identity_) return;
  identity_ = std::move(*loaded);
  note_certificates({{"identity", to_unix_ms(identity_.not_after)}});
  renewed_ = true;
  warned_of_ = LifeLeft::kPlenty;
  failure_.reset();
  log_message(message::kIdentityRenewed, {},
              "the Teleport identity {} was renewed and is valid until {}", identity_.name,
              format_rfc3339(identity_.not_after));
}

Result<void> Connection::connect_unlocked(const std::stop_token& stop) {
  if (failure_ && clock_.monotonic() - failed_at_ < kFailureShared) return fail(*failure_);
  const auto failed = [&](Error error) {
    if (error.kind == ErrorKind::kStopped) return fail(std::move(error));
    failure_ = with_identity_unlocked(std::move(error));
    failed_at_ = clock_.monotonic();
    // Whatever the cause, the next try should see a renewed identity.
    next_refresh_ = std::min(next_refresh_, clock_.monotonic());
    return fail(*failure_);
  };
  auto connection = dialer_.connect(identity_, stop);
  if (!connection) return failed(std::move(connection.error()));
  auto made = TeleportChannel::make(std::move(*connection));
  if (!made) return failed(std::move(made.error()));
  channel_ = std::move(*made);
  renewed_ = false;
  failure_.reset();
  log_way_unlocked();
  return {};
}

std::string Connection::way() {
  const std::lock_guard lock(mutex_);
  return dialer_.description();
}

void Connection::note_cluster(const std::string& name) {
  const std::lock_guard lock(mutex_);
  cluster_ = name;
  log_way_unlocked();
}

void Connection::log_way_unlocked() {
  if (!cluster_ || logged_way_ == dialer_.description()) return;
  logged_way_ = dialer_.description();
  log_message(message::kConnected, {}, "connected to Teleport {}, cluster {}", logged_way_,
              *cluster_);
}

// An identity that has expired is the cause, whatever the failure looks like: servers do not say
// so.
Error Connection::with_identity_unlocked(Error error) const {
  if (auto expired = expiry_error(identity_, clock_.now())) error = std::move(*expired);
  if (!refresh_problem_.empty()) error.message += fmt::format("; and {}", refresh_problem_);
  return error;
}

Error Connection::explain(const CallFailure& failure,
                          const std::shared_ptr<TeleportChannel>& channel, std::string_view what,
                          const char* rule, const std::stop_token& stop) {
  if (stop.stop_requested()) {
    return Error{ErrorKind::kStopped, fmt::format("asked to stop, so did not {}", what)};
  }
  const bool is_connection = failure.code == grpc::UNAVAILABLE ||
                             failure.code == grpc::UNAUTHENTICATED ||
                             failure.code == grpc::DEADLINE_EXCEEDED || channel->error();
  if (is_connection) return explain_end(failure, channel, what);
  if (is_too_large(failure)) {
    return Error{ErrorKind::kTooLarge, fmt::format("cannot {} from Teleport at {}: {}", what,
                                                   config_.addr, failure.text)};
  }
  std::string cure;
  if (failure.code == grpc::PERMISSION_DENIED && rule != nullptr) {
    cure = fmt::format("; add the rule {} to a role of the identity's user", rule);
  }
  return Error{kind_of(failure.code),
               fmt::format("cannot {} from Teleport at {}: {} ({}){}", what, config_.addr,
                           words_for(failure.code), failure.text, cure)};
}

Error Connection::explain_end(const CallFailure& failure,
                              const std::shared_ptr<TeleportChannel>& channel,
                              std::string_view what) {
  const auto cause = channel->error();
  const std::lock_guard lock(mutex_);
  // gRPC does not say whether a connection still serves: one that failed a call is replaced.
  if (channel_ == channel && (cause || failure.code == grpc::UNAVAILABLE)) channel_.reset();
  next_refresh_ = std::min(next_refresh_, clock_.monotonic());
  Error error{cause ? ErrorKind::kUnavailable : kind_of(failure.code),
              cause
                  ? fmt::format("the connection to Teleport at {} ended: {}", config_.addr, *cause)
                  : fmt::format("Teleport at {}: {} ({})", config_.addr, words_for(failure.code),
                                failure.text)};
  error = with_identity_unlocked(std::move(error));
  error.message = fmt::format("cannot {}: {}", what, error.message);
  return error;
}

}  // namespace sluice::fetcher
