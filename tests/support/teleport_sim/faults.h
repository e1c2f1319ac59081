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
  // Unix time from which on nothing new can be seen; 0: time goes on.
  std::atomic<std::int64_t> frozen_at_ms = 0;
  // Waited before each message of a stream and each page.
  std::atomic<std::int64_t> delay_ms = 0;

  // Arms one fault: the next call of `target` ends with `code` after `messages` messages. A stream
  // that ends before, uses nothing up; a page of the search counts as one message. kAny is any
  // call that carries events.
  void fail_after(std::uint64_t messages, grpc::StatusCode code, FaultTarget target);

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

  std::mutex mutex_;
  std::optional<Armed> armed_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_FAULTS_H_
