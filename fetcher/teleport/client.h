// The calls to Teleport that the sources need, over a Connection, and no more of them in a second
// than configured.
//
// Nothing is retried here: a failed call returns an error whose sentence names the address and the
// cause (expired identity, name that does not resolve, refused connection, wrong CA, missing
// right). Thread-safe; it must outlive its streams. No waiting on a call or stream goes on past a
// stop request.
#ifndef SLUICE_FETCHER_TELEPORT_CLIENT_H_
#define SLUICE_FETCHER_TELEPORT_CLIENT_H_

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "fetcher/source/event_api.h"
#include "fetcher/teleport/call_count.h"

namespace sluice::fetcher {

class TeleportClient final : public EventApi {
 public:
  // Loads the identity (kConfig); connects at the first call. `clock` must outlive the client.
  static Result<std::unique_ptr<TeleportClient>> create(const TeleportConfig& config,
                                                        const Clock& clock);
  ~TeleportClient() override;

  // How Teleport was reached last: "directly to HOST:PORT". Empty: not yet.
  std::string way() const;

  struct Impl;

  // Any thread, at any time; never waits.
  std::vector<CallCount> calls() const;

  Result<std::string> ping(std::stop_token stop) override;
  Result<std::vector<std::string>> list_chunks(Day day, std::stop_token stop) override;
  std::unique_ptr<ExportStream> export_chunk(Day day, const std::string& chunk,
                                             const std::string& cursor,
                                             std::stop_token stop) override;
  Result<SearchPage> search(const SearchRequest& request, std::stop_token stop) override;
  std::unique_ptr<SessionStream> stream_session(const std::string& sid, std::int32_t start_index,
                                                std::stop_token stop) override;
  Result<void> lock(const LockRequest& request, std::stop_token stop) override;

 private:
  explicit TeleportClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_CLIENT_H_
