// A Teleport in memory, behind the interface that the sources see, which can be made to fail.
//
// Thread-safe. It is strict where Teleport is: a page key given to another window than its own, and
// a cursor of another chunk, are refused.
#ifndef SLUICE_TESTS_UNIT_FETCHER_FAKE_TELEPORT_H_
#define SLUICE_TESTS_UNIT_FETCHER_FAKE_TELEPORT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "fetcher/source/event_api.h"

namespace sluice::fetcher {

// Wire bytes of an event with a usable body.
std::string event_bytes(const std::string& id, Timestamp time,
                        const std::string& type = "user.login", std::int64_t index = 0,
                        const std::string& sid = "");

class FakeTeleport final : public EventApi {
 public:
  // What a stream does after some messages, once.
  struct Fault {
    std::size_t after = 0;
    Error error;
  };

  // Bulk export.
  void add_chunk(Day day, const std::string& chunk, std::vector<std::string> events);
  void remove_chunk(Day day, const std::string& chunk);  // stays listed, but is NotFound
  void fail_chunk(const std::string& chunk, std::size_t after, ErrorKind kind);
  void set_export(bool supported);
  std::size_t exports_of(const std::string& chunk) const;
  std::vector<std::string> cursors_asked_for(const std::string& chunk) const;

  // Search.
  void add_event(const std::string& id, Timestamp time);
  void set_page_max(std::size_t events);  // pages of more are too large to be received
  // Every page key, as after a change of Teleport's storage.
  void refuse_keys(bool refuse, ErrorKind kind = ErrorKind::kRejected);
  std::vector<SearchRequest> searches() const;

  // Recordings.
  void add_recording(const std::string& sid, std::vector<std::string> events);
  void fail_recording(const std::string& sid, std::size_t after, ErrorKind kind);
  int open_session_streams() const { return *open_session_streams_; }
  std::vector<std::int32_t> starts_of(const std::string& sid) const;

  // Locks.
  std::vector<LockRequest> locks() const;
  void refuse_locks(int times, ErrorKind kind);

  void set_reachable(bool reachable);  // for ping()

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
  struct Chunk {
    std::vector<std::string> events;
    bool removed = false;
  };
  std::optional<Fault> take_fault(const std::string& name);

  mutable std::mutex mutex_;
  std::vector<LockRequest> locks_;
  int locks_to_refuse_ = 0;
  ErrorKind lock_refusal_ = ErrorKind::kUnavailable;
  bool export_supported_ = true;
  bool keys_refused_ = false;
  ErrorKind key_refusal_ = ErrorKind::kRejected;
  std::size_t page_max_ = 100'000;
  bool reachable_ = true;
  std::map<Day, std::map<std::string, Chunk>> days_;
  std::map<std::string, std::vector<std::string>> cursors_;  // asked for, by chunk
  std::multimap<Timestamp, std::string> events_;             // bytes
  std::vector<SearchRequest> searches_;
  std::map<std::string, std::vector<std::string>> recordings_;
  std::map<std::string, std::vector<std::int32_t>> starts_;
  std::map<std::string, Fault> faults_;
  // Streams may outlive this.
  std::shared_ptr<std::atomic<int>> open_session_streams_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace sluice::fetcher

#endif  // SLUICE_TESTS_UNIT_FETCHER_FAKE_TELEPORT_H_
