// A Teleport that passes every call on to another: for tests that look at some of the calls, or
// change them, and override those.
//
// Thread-safe as the other is.
#ifndef SLUICE_TESTS_UNIT_FETCHER_FORWARDING_TELEPORT_H_
#define SLUICE_TESTS_UNIT_FETCHER_FORWARDING_TELEPORT_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "fetcher/source/event_api.h"

namespace sluice::fetcher {

class ForwardingTeleport : public EventApi {
 public:
  // `real` must outlive it.
  explicit ForwardingTeleport(EventApi* real) : real_(*real) {}

  Result<std::string> ping(std::stop_token stop) override { return real_.ping(stop); }
  Result<std::vector<std::string>> list_chunks(Day day, std::stop_token stop) override {
    return real_.list_chunks(day, stop);
  }
  std::unique_ptr<ExportStream> export_chunk(Day day, const std::string& chunk,
                                             const std::string& cursor,
                                             std::stop_token stop) override {
    return real_.export_chunk(day, chunk, cursor, stop);
  }
  Result<SearchPage> search(const SearchRequest& request, std::stop_token stop) override {
    return real_.search(request, stop);
  }
  std::unique_ptr<SessionStream> stream_session(const std::string& sid, std::int32_t start_index,
                                                std::stop_token stop) override {
    return real_.stream_session(sid, start_index, stop);
  }
  Result<void> lock(const LockRequest& request, std::stop_token stop) override {
    return real_.lock(request, stop);
  }

 private:
  EventApi& real_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_TESTS_UNIT_FETCHER_FORWARDING_TELEPORT_H_
