// The connection to Teleport's Auth service and the identity it was made with: made when it is
// first needed, made anew when it has failed and when the identity's files change; and the words
// for what goes wrong on it.
//
// The files are read again when they have changed, and every refresh interval. One that is bad or
// half written does no harm: the identity before it stays in use. An identity that is about to
// expire without having been renewed is warned of, twice.
//
// A new connection stands before the old one is let go, and calls under way finish on that.
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
#include "fetcher/teleport/dialer.h"
#include "fetcher/teleport/identity.h"
#include "fetcher/teleport/raw_call.h"

namespace sluice::fetcher {

class TeleportChannel;

class Connection {
 public:
  // `clock` must outlive the connection.
  static Result<std::unique_ptr<Connection>> create(const TeleportConfig& config,
                                                    const Clock& clock);

  // The channel for a new call; connects if there is none. Looks at the identity's files first when
  // that is due. Blocks while it connects. The error says why it cannot.
  Result<std::shared_ptr<TeleportChannel>> channel(const std::stop_token& stop);

  // As Dialer::description().
  std::string way();

  // The cluster's name, as Teleport itself has told it: for the log, which says once by which way
  // it is reached, and again when that changes.
  void note_cluster(const std::string& name);

  // The error for a call on `channel` that failed; `what` says what was asked for, as in "list
  // chunks of 2026-11-23", and `rule` what a role must have for it (nullptr: nothing).
  Error explain(const CallFailure& failure, const std::shared_ptr<TeleportChannel>& channel,
                std::string_view what, const char* rule, const std::stop_token& stop);

 private:
  Connection(const TeleportConfig& config, const Clock& clock, Identity identity);
  void refresh_unlocked(const std::stop_token& stop);
  bool refresh_due_unlocked();
  void warn_of_expiry_unlocked();
  void load_renewed_unlocked();
  Result<void> connect_unlocked(const std::stop_token& stop);
  void log_way_unlocked();
  Error explain_end(const CallFailure& failure, const std::shared_ptr<TeleportChannel>& channel,
                    std::string_view what);
  Error with_identity_unlocked(Error error) const;

  const TeleportConfig config_;
  const Clock& clock_;

  std::mutex mutex_;  // also held while connecting: who needs the connection waits for it
  Dialer dialer_;
  Identity identity_;
  std::shared_ptr<TeleportChannel> channel_;
  std::optional<std::string> cluster_;  // nothing until it is known
  std::string logged_way_;
  bool renewed_ = false;  // the identity is newer than the channel
  std::chrono::milliseconds next_refresh_{};
  std::chrono::milliseconds next_look_{};
  std::string stamp_;                       // of the identity's files when they were last read
  LifeLeft warned_of_ = LifeLeft::kPlenty;  // of this identity
  RepeatedMessage refresh_trouble_;
  std::string refresh_problem_;  // why the identity's files cannot be taken; empty: nothing wrong
  // The last failure to connect, which several callers share instead of repeating it.
  std::optional<Error> failure_;
  std::chrono::milliseconds failed_at_{};
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_CONNECTION_H_
