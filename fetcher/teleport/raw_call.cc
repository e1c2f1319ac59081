#include "fetcher/teleport/raw_call.h"

#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <utility>

#include "common/check.h"

namespace sluice::fetcher {

struct RawCall::Impl {
  Impl(std::shared_ptr<grpc::Channel> given_channel, std::string given_method, std::string request,
       std::chrono::milliseconds given_silence_max, const std::stop_token& stop)
      : channel(std::move(given_channel)),
        method(std::move(given_method)),
        silence_max(given_silence_max),
        stub(channel),
        call(stub.PrepareCall(&context, method, &queue)),
        on_stop(stop, [this] { context.TryCancel(); }) {
    const grpc::Slice slice(request);
    request_bytes = grpc::ByteBuffer(&slice, 1);
  }

  ~Impl() {
    context.TryCancel();
    if (started && !finished) finish();
    queue.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
    }
  }

  // Waits for the one operation that is under way. False: it failed, and with it the call.
  bool wait() {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = std::chrono::system_clock::now() + silence_max;
    auto outcome = queue.AsyncNext(&tag, &ok, deadline);
    if (outcome == grpc::CompletionQueue::TIMEOUT) {
      silent_too_long = true;
      context.TryCancel();
      // A cancelled operation completes without the peer.
      outcome = queue.Next(&tag, &ok) ? grpc::CompletionQueue::GOT_EVENT
                                      : grpc::CompletionQueue::SHUTDOWN;
    }
    SLUICE_CHECK(outcome == grpc::CompletionQueue::GOT_EVENT, "the queue is shut down at the end");
    return ok;
  }

  bool start() {
    started = true;
    call->StartCall(this);
    if (!wait()) return false;
    call->WriteLast(request_bytes, grpc::WriteOptions(), this);
    return wait();
  }

  void finish() {
    call->Finish(&status, this);
    wait();
    finished = true;
  }

  std::expected<std::optional<std::string_view>, CallFailure> end() {
    if (!finished) finish();
    if (silent_too_long) {
      return std::unexpected(
          CallFailure{grpc::DEADLINE_EXCEEDED,
                      fmt::format("no answer within {} s", silence_max.count() / 1000)});
    }
    if (status.ok()) return std::nullopt;
    return std::unexpected(CallFailure{status.error_code(), status.error_message()});
  }

  // Declared in the order in which they depend on each other; on_stop goes first at the end.
  std::shared_ptr<grpc::Channel> channel;
  std::string method;
  std::chrono::milliseconds silence_max;
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  grpc::GenericStub stub;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
  grpc::ByteBuffer request_bytes;
  grpc::ByteBuffer received;
  grpc::Slice message;
  grpc::Status status;
  bool started = false;
  bool finished = false;
  bool silent_too_long = false;
  std::stop_callback<std::function<void()>> on_stop;
};

RawCall::RawCall(std::shared_ptr<grpc::Channel> channel, std::string method, std::string request,
                 std::chrono::milliseconds silence_max, std::stop_token stop)
    : impl_(std::make_unique<Impl>(std::move(channel), std::move(method), std::move(request),
                                   silence_max, stop)) {}

RawCall::~RawCall() = default;

std::expected<std::optional<std::string_view>, CallFailure> RawCall::next() {
  Impl& it = *impl_;
  if (it.finished) return it.end();
  if (!it.started && !it.start()) return it.end();
  it.received.Clear();
  it.call->Read(&it.received, &it);
  if (!it.wait()) return it.end();
  // Most messages arrive in one piece and are read in place.
  if (!it.received.TrySingleSlice(&it.message).ok() &&
      !it.received.DumpToSingleSlice(&it.message).ok()) {
    return std::unexpected(CallFailure{grpc::INTERNAL, "a received message cannot be read"});
  }
  return std::string_view(reinterpret_cast<const char*>(it.message.begin()), it.message.size());
}

}  // namespace sluice::fetcher
