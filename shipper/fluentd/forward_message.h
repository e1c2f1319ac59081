// The messages of Fluentd's forward protocol (specification v1), as bytes.
//
// What the server sends is foreign: it is bounded in size, depth and counts, and whatever is not
// one of the messages below is an error. Pure; any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_FORWARD_MESSAGE_H_
#define SLUICE_SHIPPER_FLUENTD_FORWARD_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/error.h"

namespace sluice::shipper::fluentd {

// The server asks for a shared key.
struct Helo {
  std::string nonce;
  std::string auth_salt;  // empty: it wants no user
  bool keepalive = true;
};

// The server's verdict.
struct Pong {
  bool accepted = false;
  std::string reason;  // of a refusal
  std::string server_hostname;
  std::string digest;  // by which the server shows that it knows the shared key
};

// It has taken the chunk of this id.
struct Ack {
  std::string chunk;
};

using ServerMessage = std::variant<Helo, Pong, Ack>;

// No message of a server's is larger.
inline constexpr std::size_t kServerMessageBytesMax = 16U << 10;

// Takes the first message off `bytes`; nothing: more bytes are needed. kRejected: this is no server
// of the forward protocol.
Result<std::optional<ServerMessage>> take_server_message(std::string* bytes);

struct Ping {
  std::string self_hostname;
  std::string key_salt;
  std::string key_digest;
  std::string username;         // empty: none is sent
  std::string password_digest;  // empty: none is sent
};

std::string ping_message(const Ping& ping);

// What comes before and behind the entries of a chunk in its message.
struct ChunkFrame {
  std::string head;
  std::string tail;
};

struct ChunkOptions {
  std::string_view tag;
  std::string_view id;  // the server is to acknowledge the chunk by it
  std::uint32_t events = 0;
  std::size_t entries_bytes = 0;
  bool gzip = false;  // the entries are packed
};

ChunkFrame chunk_frame(const ChunkOptions& options);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_FORWARD_MESSAGE_H_
