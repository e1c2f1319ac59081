// The faults that a test has asked the simulator for. Thread-safe.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_FAULTS_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_FAULTS_H_

#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "tests/support/teleport_sim/call_limit.h"

namespace sluice::teleport_sim {

// What can be made to fail by itself.
enum class FaultTarget { kAny, kChunks, kExport, kSearch, kSession };

std::optional<grpc::StatusCode> status_code_by_name(const std::string& name);
std::optional<FaultTarget> fault_target_by_name(const std::string& name);

class Faults {
 public:
  // Without bulk export both of its methods answer Unimplemented.
  std::atomic<bool> export_unimplemented = false;
  // Recordings answer NotFound, as before their upload has been processed.
  std::atomic<bool> recordings_hidden = false;
  // The user's role lacks the right to list events, to read sessions, to lock users.
  std::atomic<bool> events_denied = false;
  std::atomic<bool> sessions_denied = false;
  std::atomic<bool> locks_denied = false;
  // Some events come twice: on a page, at the edge of two pages, in a chunk, and in two chunks.
  std::atomic<bool> duplicates = false;
  // Pages of a search end where they like (page_shape.h).
  std::atomic<bool> page_edges = false;
  // How long calls under way may go on when the server leaves.
  std::atomic<std::int64_t> leaving_grace_ms = 0;
  // The age at which connections are told to go away, as of the server's next coming; 0: none.
  std::atomic<int> connection_age_ms = 0;
  // How many calls may be made.
  CallLimit call_limit;
  // Unix time from which on nothing new can be seen; 0: time goes on.
  std::atomic<std::int64_t> frozen_at_ms = 0;
  // Waited before each message of a stream and each page.
  std::atomic<std::int64_t> delay_ms = 0;

  // Arms one fault: the next call of `target` ends with `code` after `messages` messages. A stream
  // that ends before, uses nothing up; a page of the search counts as one message. kAny is any
  // call that carries events.
  void fail_after(std::uint64_t messages, grpc::StatusCode code, FaultTarget target);

  // Page keys and cursors that were given out before are not taken any more, as after a change of
  // the audit log's storage, or of its format (reference/teleport.md §4, §5).
  void forget_keys() { ++key_generation_; }
  // With which this storage's cursors begin.
  std::string cursor_prefix() const;
  // Counts the pages of searches.
  std::uint64_t next_page() { return pages_++; }

  // Called at the beginning of each call.
  std::optional<grpc::Status> take_for_call();
  // Called before message number `sent` (from 0) of a stream, and at its end.
  std::optional<grpc::Status> take_for_stream(FaultTarget target, std::uint64_t sent);
  // Called before each page.
  std::optional<grpc::Status> take_for_page();

 private:
  struct Armed {
    std::uint64_t messages = 0;
    grpc::StatusCode code = grpc::StatusCode::OK;
    FaultTarget target = FaultTarget::kAny;
  };

  grpc::Status fire();

  std::atomic<std::uint32_t> key_generation_ = 1;
  std::atomic<std::uint64_t> pages_ = 0;
  std::mutex mutex_;
  std::optional<Armed> armed_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_FAULTS_H_
