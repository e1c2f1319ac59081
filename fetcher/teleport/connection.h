// The gRPC channel to Teleport and the identity it was made with, renewed when the identity's files
// change; and the words for what goes wrong on it.
//
// Thread-safe.
#ifndef SLUICE_FETCHER_TELEPORT_CONNECTION_H_
#define SLUICE_FETCHER_TELEPORT_CONNECTION_H_

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/config.h"
#include "common/error.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "fetcher/teleport/identity.h"
#include "fetcher/teleport/raw_call.h"

namespace grpc {
class Channel;
}

namespace sluice::fetcher {

class Connection {
 public:
  // `clock` must outlive the connection.
  static Result<std::unique_ptr<Connection>> create(const TeleportConfig& config,
                                                    const Clock& clock);

  // The channel for a new call. Looks at the identity's files first when that is due.
  std::shared_ptr<grpc::Channel> channel();

  // The error for a failed call; `what` says what was asked for, as in "list chunks of 2026-11-23".
  // May take a few seconds to find the cause.
  Error explain(const CallFailure& failure, std::string_view what, const std::stop_token& stop);

 private:
  Connection(TeleportConfig config, const Clock& clock, Identity identity);
  void refresh_unlocked();
  Error explain_unavailable(const CallFailure& failure, std::string_view what,
                            const std::stop_token& stop);
  std::optional<Error> diagnose(const std::stop_token& stop);

  const TeleportConfig config_;
  const Clock& clock_;

  std::mutex mutex_;
  Identity identity_;
  std::shared_ptr<grpc::Channel> channel_;
  std::chrono::milliseconds next_refresh_{};
  RepeatedMessage refresh_trouble_;
  std::string refresh_problem_;  // why the identity's files cannot be taken; empty: nothing wrong

  std::mutex diagnosis_mutex_;  // one diagnosis at a time; others wait for it and share it
  std::optional<Error> finding_;
  std::optional<std::chrono::milliseconds> diagnosed_at_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_CONNECTION_H_
