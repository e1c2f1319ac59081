#include "shipper/fluentd/forward_message.h"

#include <msgpack.hpp>

#include "shipper/string_sink.h"

namespace sluice::shipper::fluentd {
namespace {

using Object = msgpack::object;

// More than any server has reason for: no message is nested deeper than 2, none has a longer part
// than a digest of 128 characters.
constexpr std::uint32_t kMembersMax = 16;
constexpr std::uint32_t kTextBytesMax = 4096;
constexpr std::uint32_t kDepthMax = 4;

msgpack::unpack_limit limits() {
  return {kMembersMax, kMembersMax, kTextBytesMax, kTextBytesMax, kTextBytesMax, kDepthMax};
}

std::unexpected<Error> foreign() {
  return fail(ErrorKind::kRejected, "it does not speak the forward protocol");
}

// Both kinds are in use: servers differ in what they pack digests and salts as.
std::optional<std::string> text_of(const Object& object) {
  if (object.type == msgpack::type::STR)
    return std::string(object.via.str.ptr, object.via.str.size);
  if (object.type == msgpack::type::BIN)
    return std::string(object.via.bin.ptr, object.via.bin.size);
  return std::nullopt;
}

bool is_text(const Object& object, std::string_view text) { return text_of(object) == text; }

std::optional<Helo> helo_of(const msgpack::object_array& parts) {
  if (parts.size < 2 || parts.ptr[1].type != msgpack::type::MAP) return std::nullopt;
  Helo helo;
  bool has_nonce = false;
  const auto& options = parts.ptr[1].via.map;
  for (const auto* option = options.ptr; option != options.ptr + options.size; ++option) {
    if (is_text(option->key, "keepalive")) {
      if (option->val.type != msgpack::type::BOOLEAN) return std::nullopt;
      helo.keepalive = option->val.via.boolean;
      continue;
    }
    const bool is_nonce = is_text(option->key, "nonce");
    if (!is_nonce && !is_text(option->key, "auth")) continue;
    auto text = text_of(option->val);
    if (!text) return std::nullopt;
    has_nonce = has_nonce || is_nonce;
    (is_nonce ? helo.nonce : helo.auth_salt) = std::move(*text);
  }
  return has_nonce ? std::optional(helo) : std::nullopt;
}

std::optional<Pong> pong_of(const msgpack::object_array& parts) {
  if (parts.size < 2 || parts.ptr[1].type != msgpack::type::BOOLEAN) return std::nullopt;
  Pong pong;
  pong.accepted = parts.ptr[1].via.boolean;
  std::string* const texts[] = {&pong.reason, &pong.server_hostname, &pong.digest};
  for (std::uint32_t i = 0; i < 3 && i + 2 < parts.size; ++i) {
    const Object& part = parts.ptr[i + 2];
    if (part.type == msgpack::type::NIL) continue;
    auto text = text_of(part);
    if (!text) return std::nullopt;
    *texts[i] = std::move(*text);
  }
  return pong;
}

std::optional<Ack> ack_of(const msgpack::object_map& members) {
  for (const auto* member = members.ptr; member != members.ptr + members.size; ++member) {
    if (!is_text(member->key, "ack")) continue;
    auto chunk = text_of(member->val);
    if (!chunk) return std::nullopt;
    return Ack{std::move(*chunk)};
  }
  return std::nullopt;
}

std::optional<ServerMessage> message_of(const Object& object) {
  if (object.type == msgpack::type::MAP) return ack_of(object.via.map);
  if (object.type != msgpack::type::ARRAY || object.via.array.size == 0) return std::nullopt;
  const auto& parts = object.via.array;
  if (is_text(parts.ptr[0], "HELO")) return helo_of(parts);
  if (is_text(parts.ptr[0], "PONG")) return pong_of(parts);
  return std::nullopt;
}

class Writer {
 public:
  explicit Writer(std::string* out) : sink_(out), packer_(sink_) {}

  void text(std::string_view text) {
    packer_.pack_str(static_cast<std::uint32_t>(text.size()));
    packer_.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
  }
  void bytes(std::string_view bytes) {
    packer_.pack_bin(static_cast<std::uint32_t>(bytes.size()));
    packer_.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  }
  msgpack::packer<StringSink>& packer() { return packer_; }

 private:
  StringSink sink_;
  msgpack::packer<StringSink> packer_;
};

}  // namespace

Result<std::optional<ServerMessage>> take_server_message(std::string* bytes) {
  if (bytes->empty()) return std::nullopt;
  try {
    std::size_t end = 0;
    const auto unpacked =
        msgpack::unpack(bytes->data(), bytes->size(), end, nullptr, nullptr, limits());
    auto message = message_of(unpacked.get());
    if (!message || end > kServerMessageBytesMax) return foreign();
    bytes->erase(0, end);
    return message;
  } catch (const msgpack::insufficient_bytes&) {
    if (bytes->size() >= kServerMessageBytesMax) return foreign();
    return std::nullopt;
  } catch (const msgpack::unpack_error&) {
    return foreign();
  }
}

std::string ping_message(const Ping& ping) {
  std::string message;
  Writer writer(&message);
  writer.packer().pack_array(6);
  writer.text("PING");
  writer.text(ping.self_hostname);
  writer.bytes(ping.key_salt);
  writer.text(ping.key_digest);
  writer.text(ping.username);
  writer.text(ping.password_digest);
  return message;
}

ChunkFrame chunk_frame(const ChunkOptions& options) {
  ChunkFrame frame;
  Writer head(&frame.head);
  head.packer().pack_array(3);
  head.text(options.tag);
  head.packer().pack_bin(static_cast<std::uint32_t>(options.entries_bytes));
  Writer tail(&frame.tail);
  tail.packer().pack_map(options.gzip ? 3 : 2);
  tail.text("chunk");
  tail.text(options.id);
  tail.text("size");
  tail.packer().pack_uint32(options.events);
  if (options.gzip) {
    tail.text("compressed");
    tail.text("gzip");
  }
  return frame;
}

}  // namespace sluice::shipper::fluentd
