// A gRPC channel, and the thread that drives all calls on it.
//
// Calls say what comes next (CallStep) and their takers wait elsewhere: a thread for each call that
// waits for gRPC costs more than all else of a message. Threads: any. Must not be destroyed while a
// call on it is under way.
#ifndef SLUICE_FETCHER_TELEPORT_CALL_CHANNEL_H_
#define SLUICE_FETCHER_TELEPORT_CALL_CHANNEL_H_

#include <grpcpp/completion_queue.h>

#include <memory>
#include <thread>

namespace grpc {
class Channel;
}

namespace sluice::fetcher {

// The tag of each operation on the channel's completion queue.
class CallStep {
 public:
  virtual ~CallStep() = default;
  // Both on the channel's thread. `ok`: as gRPC tells it of the operation. True: there are news for
  // the taker, to be told soon. After its last step a call may be gone.
  virtual bool completed(bool ok) = 0;
  virtual void tell_news() = 0;
};

class CallChannel {
 public:
  explicit CallChannel(std::shared_ptr<grpc::Channel> channel);
  ~CallChannel();
  CallChannel(const CallChannel&) = delete;
  CallChannel& operator=(const CallChannel&) = delete;

  const std::shared_ptr<grpc::Channel>& grpc_channel() const { return channel_; }
  // Its tags are CallSteps.
  grpc::CompletionQueue& queue() { return queue_; }

 private:
  void drive_calls();

  std::shared_ptr<grpc::Channel> channel_;
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_CALL_CHANNEL_H_
