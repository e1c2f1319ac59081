// Writes the messages of one streaming call, with the faults that a test has asked for.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_MESSAGE_STREAM_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_MESSAGE_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "tests/support/teleport_sim/faults.h"

namespace sluice::teleport_sim {

// Waits in small steps, so that a cancelled call ends soon. False when the call was cancelled.
inline bool wait_unless_cancelled(const grpc::ServerContext& context, std::int64_t wait_ms) {
  constexpr std::int64_t kStepMs = 20;
  for (; wait_ms > 0 && !context.IsCancelled(); wait_ms -= kStepMs) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(wait_ms, kStepMs)));
  }
  return !context.IsCancelled();
}

// Lives as long as its call; used by one thread.
template <typename Message>
class MessageStream {
 public:
  MessageStream(const grpc::ServerContext* context, grpc::ServerWriter<Message>* writer,
                Faults* faults, FaultTarget target)
      : context_(*context), writer_(*writer), faults_(*faults), target_(target) {}

  // Call before each message: something when the call has to end instead.
  std::optional<grpc::Status> must_end() {
    if (!wait_unless_cancelled(context_, faults_.delay_ms)) return grpc::Status::CANCELLED;
    return faults_.take_for_stream(target_, sent_);
  }

  // False when the client is gone.
  bool write(const Message& message) {
    ++sent_;
    return writer_.Write(message);
  }

  // The status of a call that has written all its messages.
  grpc::Status end() { return faults_.take_for_stream(target_, sent_).value_or(grpc::Status::OK); }

 private:
  const grpc::ServerContext& context_;
  grpc::ServerWriter<Message>& writer_;
  Faults& faults_;
  const FaultTarget target_;
  std::uint64_t sent_ = 0;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_MESSAGE_STREAM_H_
