// One connection to a forward input: connects, shakes hands, and carries one chunk after the other.
//
// A chunk is done when its acknowledgement has come. Fluentd says nothing when it cannot take one:
// it closes the connection, be it that its buffer is full or that a record is too large, or does
// not answer at all. Such an end is of unknown outcome, and marked as one that may be the chunk's
// own fault.
//
// Used by ForwardTransport only; one thread. Nothing blocks.
#ifndef SLUICE_SHIPPER_FLUENTD_FORWARD_CONNECTION_H_
#define SLUICE_SHIPPER_FLUENTD_FORWARD_CONNECTION_H_

#include <poll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "common/forward_url.h"
#include "shipper/fluentd/client_identity.h"
#include "shipper/fluentd/event_fd.h"
#include "shipper/fluentd/forward_handshake.h"
#include "shipper/fluentd/forward_message.h"
#include "shipper/fluentd/forward_transport.h"
#include "shipper/fluentd/stream.h"
#include "shipper/fluentd/transport.h"

namespace sluice::shipper::fluentd {

struct Chunk {
  std::uint64_t request_id = 0;
  std::string id;  // what the server is to acknowledge
  ForwardUrl url;
  std::string head, entries, tail;  // its message, in three parts
  std::chrono::milliseconds deadline{0};
};

// What became of a chunk without an acknowledgement.
Answer unacknowledged(const Chunk& chunk, NetworkFailure failure);

class ForwardConnection {
 public:
  // Begins to connect, for `first`. `options` and `identity` must outlive the connection; the files
  // of TLS are read when it begins and those of secrets when the server asks.
  ForwardConnection(Chunk first, const ForwardOptions& options, ClientIdentity* identity,
                    std::shared_ptr<EventFd> wake, std::chrono::milliseconds now);

  // Does what can be done now; what became of the chunk, once that is known.
  std::optional<Answer> advance(std::chrono::milliseconds now);

  // Whether it may be given a chunk for the same server.
  bool is_idle() const { return state_ == State::kReady && !chunk_; }
  bool has_ended() const { return state_ == State::kEnded; }
  bool carries_chunk() const { return chunk_.has_value(); }
  const std::string& server() const { return server_; }
  void carry(Chunk chunk);

  // When advance() has something to do: for poll(2), and the latest time.
  pollfd poll_entry() const { return {stream_.fd(), stream_.events(), 0}; }
  std::chrono::milliseconds next_step_at() const;

 private:
  enum class State { kConnecting, kHelo, kPong, kReady, kEnded };
  template <typename T>
  using Outcome = std::expected<T, NetworkFailure>;

  Outcome<void> step(std::chrono::milliseconds now);
  Outcome<void> receive();
  Outcome<void> flush();
  Outcome<void> check_time(std::chrono::milliseconds now) const;
  Outcome<void> on_message(const ServerMessage& message);
  Outcome<void> on_helo(const Helo& helo);
  Outcome<void> on_pong(const Pong& pong);
  Outcome<void> on_ack(const Ack& ack);
  std::unexpected<NetworkFailure> failed(const StreamFailure& failure) const;
  std::unexpected<NetworkFailure> failed(ErrorKind kind, std::string_view cause, int code) const;
  std::unexpected<NetworkFailure> closed(const StreamFailure& failure) const;
  bool is_sent() const { return chunk_ && sent_ == chunk_bytes(); }
  std::size_t chunk_bytes() const;
  std::string_view unsent() const;
  Answer acceptance() const;
  Answer answer(NetworkFailure failure) const;

  const ForwardOptions& options_;
  const std::string server_;
  State state_ = State::kConnecting;
  Stream stream_;
  std::chrono::milliseconds ready_by_;  // connected, with hands shaken
  std::chrono::milliseconds ends_at_;   // after the chunk that it carries then
  std::chrono::milliseconds retire_at_{0};
  std::optional<ForwardHandshake> handshake_;
  bool keepalive_ = true;
  std::string greeting_;  // our PING, as far as it is not sent
  std::optional<Chunk> chunk_;
  std::size_t sent_ = 0;  // bytes of it
  bool acknowledged_ = false;
  std::string received_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_FORWARD_CONNECTION_H_
