#include "fetcher/teleport/call_channel.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <grpcpp/channel.h>

#include <utility>
#include <vector>

namespace sluice::fetcher {

// The thread also answers pings while no call is under way: gRPC looks at a channel only while
// somebody waits.
CallChannel::CallChannel(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)), thread_([this] { drive_calls(); }) {
  // Else gRPC takes itself down with the last channel, and sometimes waits 10 s for its own
  // threads.
  static const bool is_kept = (grpc_init(), true);
  (void)is_kept;
}

// News are told when nothing more is there at the moment, and so of many messages at once: to wake
// a thread for each costs more than all else of a message.
void CallChannel::drive_calls() {
  std::vector<CallStep*> untold;
  void* tag = nullptr;
  bool ok = false;
  while (true) {
    const auto until =
        untold.empty() ? gpr_inf_future(GPR_CLOCK_REALTIME) : gpr_time_0(GPR_CLOCK_REALTIME);
    const auto status = queue_.AsyncNext(&tag, &ok, until);
    if (status == grpc::CompletionQueue::SHUTDOWN) return;
    if (status == grpc::CompletionQueue::TIMEOUT) {
      for (CallStep* const call : untold) call->tell_news();
      untold.clear();
      continue;
    }
    auto* const call = static_cast<CallStep*>(tag);
    // Its last step lets others destroy it, so that nothing may point to it any more.
    std::erase(untold, call);
    if (call->completed(ok)) untold.push_back(call);
  }
}

CallChannel::~CallChannel() {
  channel_.reset();
  queue_.Shutdown();
  thread_.join();
}

}  // namespace sluice::fetcher
