// One gRPC call whose messages stay bytes, so that events are never parsed into message classes.
//
// Serves unary calls and server streams alike: send one request, then take messages until the end.
// All calls on a connection are driven by that connection's one thread, which reads ahead of their
// takers within bounds: a thread each that waits for gRPC costs more than all else of a message.
// One thread at a time. A stop request, the destructor and an exceeded time limit cancel the call;
// nothing of it outlives the object.
#ifndef SLUICE_FETCHER_TELEPORT_RAW_CALL_H_
#define SLUICE_FETCHER_TELEPORT_RAW_CALL_H_

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace sluice::fetcher {

class CallChannel;

// How a call ended, when it did not end well: gRPC's status code and text.
struct CallFailure {
  int code = 0;
  std::string text;
};

class RawCall {
 public:
  // Read ahead of the taker, unless a single message is larger.
  static constexpr std::size_t kAheadBytes = 256U << 10;
  static constexpr std::size_t kAheadMessages = 256;

  // Keeps `channel` until its end. `silence_max`: how long to wait for any single step, the next
  // message above all.
  RawCall(std::shared_ptr<CallChannel> channel, std::string method, std::string request,
          std::chrono::milliseconds silence_max, std::stop_token stop);
  ~RawCall();
  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // The next message, valid until the next call of this; nothing at the end of the stream.
  std::expected<std::optional<std::string_view>, CallFailure> next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_RAW_CALL_H_
