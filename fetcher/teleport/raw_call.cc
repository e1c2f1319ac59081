#include "fetcher/teleport/raw_call.h"

#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "fetcher/teleport/call_channel.h"

namespace sluice::fetcher {

// One operation is under way at a time: start, request, reads, finish. The connection's thread goes
// from each to the next; the taker begins the first, and a read that was held back.
class RawCall::Impl final : public CallStep {
 public:
  Impl(std::shared_ptr<CallChannel> channel, std::string method, std::string request,
       std::chrono::milliseconds silence_max, const std::stop_token& stop)
      : channel_(std::move(channel)),
        method_(std::move(method)),
        silence_max_(silence_max),
        stub_(channel_->grpc_channel()),
        call_(stub_.PrepareCall(&context_, method_, &channel_->queue())),
        on_stop_(stop, [this] { context_.TryCancel(); }) {
    const grpc::Slice slice(request);
    request_ = grpc::ByteBuffer(&slice, 1);
  }

  ~Impl() override {
    std::unique_lock lock(mutex_);
    if (step_ == Step::kNotBegun) return;
    context_.TryCancel();
    is_wanted_ = false;
    if (step_ == Step::kHeldBack) begin_finish_unlocked();
    changed_.wait(lock, [this] { return step_ == Step::kDone; });
  }

  std::expected<std::optional<std::string_view>, CallFailure> next() {
    if (taken_.empty() && !refill()) return end();
    message_ = std::move(taken_.front());
    taken_.pop_front();
    return std::string_view(reinterpret_cast<const char*>(message_.begin()), message_.size());
  }

  bool completed(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (step_ == Step::kFinishing) {
      step_ = Step::kDone;
      changed_.notify_one();
      return false;
    }
    if (!ok) {
      begin_finish_unlocked();
    } else if (step_ == Step::kStarting) {
      step_ = Step::kAsking;
      call_->WriteLast(request_, grpc::WriteOptions(), tag());
    } else if (step_ == Step::kAsking) {
      read_unlocked();
    } else {
      take_message_unlocked();
    }
    return !ready_.empty();
  }

  void tell_news() override { changed_.notify_one(); }

 private:
  enum class Step { kNotBegun, kStarting, kAsking, kReading, kHeldBack, kFinishing, kDone };

  void* tag() { return static_cast<CallStep*>(this); }

  void read_unlocked() {
    step_ = Step::kReading;
    received_.Clear();
    call_->Read(&received_, tag());
  }

  void begin_finish_unlocked() {
    step_ = Step::kFinishing;
    call_->Finish(&status_, tag());
  }

  void take_message_unlocked() {
    grpc::Slice message;
    // Most messages arrive in one piece and are kept as they are.
    if (!received_.TrySingleSlice(&message).ok() && !received_.DumpToSingleSlice(&message).ok()) {
      is_unreadable_ = true;
      context_.TryCancel();
      return begin_finish_unlocked();
    }
    if (!is_wanted_) return begin_finish_unlocked();
    ready_bytes_ += message.size();
    ready_.push_back(std::move(message));
    if (ready_bytes_ < kAheadBytes && ready_.size() < kAheadMessages) {
      return read_unlocked();
    }
    step_ = Step::kHeldBack;
    changed_.notify_one();
  }

  // Takes all that is there; waits for something to be. False: the call has ended.
  bool refill() {
    std::unique_lock lock(mutex_);
    if (step_ == Step::kNotBegun) {
      step_ = Step::kStarting;
      call_->StartCall(tag());
    }
    const auto has_news = [this] { return !ready_.empty() || step_ == Step::kDone; };
    if (!changed_.wait_for(lock, silence_max_, has_news)) {
      is_silent_ = true;
      context_.TryCancel();
      changed_.wait(lock, has_news);
    }
    std::swap(taken_, ready_);
    ready_bytes_ = 0;
    if (step_ == Step::kHeldBack) read_unlocked();
    return !taken_.empty();
  }

  std::expected<std::optional<std::string_view>, CallFailure> end() const {
    if (is_silent_) {
      return std::unexpected(
          CallFailure{grpc::DEADLINE_EXCEEDED,
                      fmt::format("no answer within {} s", silence_max_.count() / 1000)});
    }
    if (is_unreadable_) {
      return std::unexpected(CallFailure{grpc::INTERNAL, "a received message cannot be read"});
    }
    if (status_.ok()) return std::nullopt;
    return std::unexpected(CallFailure{status_.error_code(), status_.error_message()});
  }

  // Declared in the order in which they depend on each other; on_stop_ goes first at the end.
  const std::shared_ptr<CallChannel> channel_;
  const std::string method_;
  const std::chrono::milliseconds silence_max_;
  grpc::ClientContext context_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer request_;

  // The taker's.
  std::deque<grpc::Slice> taken_;
  grpc::Slice message_;  // what next() has returned
  bool is_silent_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  Step step_ = Step::kNotBegun;
  bool is_wanted_ = true;  // cleared by the destructor
  bool is_unreadable_ = false;
  std::deque<grpc::Slice> ready_;
  std::size_t ready_bytes_ = 0;
  grpc::ByteBuffer received_;
  grpc::Status status_;

  std::stop_callback<std::function<void()>> on_stop_;
};

RawCall::RawCall(std::shared_ptr<CallChannel> channel, std::string method, std::string request,
                 std::chrono::milliseconds silence_max, std::stop_token stop)
    : impl_(std::make_unique<Impl>(std::move(channel), std::move(method), std::move(request),
                                   silence_max, stop)) {}

RawCall::~RawCall() = default;

std::expected<std::optional<std::string_view>, CallFailure> RawCall::next() {
  return impl_->next();
}

}  // namespace sluice::fetcher
