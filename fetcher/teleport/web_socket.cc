#include "fetcher/teleport/web_socket.h"

#include <openssl/sha.h>

#include <algorithm>

#include "common/base64.h"

namespace sluice::fetcher {
namespace {

constexpr unsigned char kFinal = 0x80;
constexpr unsigned char kReserved = 0x70;
constexpr unsigned char kMasked = 0x80;
constexpr unsigned char kLength16 = 126;
constexpr unsigned char kLength64 = 127;

bool is_control(WebSocketOpcode opcode) { return static_cast<std::uint8_t>(opcode) >= 8; }

bool is_known(std::uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

void append_big(std::uint64_t value, int bytes, std::string* out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift & 0xFF));
  }
}

}  // namespace

void append_frame(WebSocketOpcode opcode, std::string_view payload, std::string* out) {
  out->push_back(static_cast<char>(kFinal | static_cast<std::uint8_t>(opcode)));
  if (payload.size() < kLength16) {
    out->push_back(static_cast<char>(kMasked | payload.size()));
  } else if (payload.size() <= 0xFFFF) {
    out->push_back(static_cast<char>(kMasked | kLength16));
    append_big(payload.size(), 2, out);
  } else {
    out->push_back(static_cast<char>(kMasked | kLength64));
    append_big(payload.size(), 8, out);
  }
  out->append(4, '\0');
  out->append(payload);
}

std::string web_socket_accept(std::string_view key) {
  const std::string salted = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(salted.data()), salted.size(), digest.data());
  return base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

// Once the first two bytes are there.
std::size_t WebSocketDecoder::header_size() const {
  const unsigned char length = header_[1] & 0x7F;
  const std::size_t extended = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  return 2 + extended + ((header_[1] & kMasked) != 0 ? 4 : 0);
}

bool WebSocketDecoder::begin_frame() {
  const std::uint8_t opcode = header_[0] & 0x0F;
  if ((header_[0] & kReserved) != 0 || !is_known(opcode)) return false;
  opcode_ = static_cast<WebSocketOpcode>(opcode);
  const unsigned char length = header_[1] & 0x7F;
  std::size_t at = 2;
  left_ = length;
  if (length >= kLength16) {
    left_ = 0;
    const std::size_t end = at + (length == kLength16 ? 2 : 8);
    for (; at < end; ++at) left_ = left_ << 8 | header_[at];
  }
  if (left_ >> 63 != 0) return false;
  if (is_control(opcode_) && (left_ > kControlBytesMax || (header_[0] & kFinal) == 0)) return false;
  masked_ = (header_[1] & kMasked) != 0;
  if (masked_) std::copy_n(header_.begin() + static_cast<std::ptrdiff_t>(at), 4, mask_.begin());
  offset_ = 0;
  control_.clear();
  header_have_ = 0;
  in_payload_ = true;
  return true;
}

void WebSocketDecoder::end_control(std::string* replies) {
  if (opcode_ == WebSocketOpcode::kPing) {
    append_frame(WebSocketOpcode::kPong, control_, replies);
  } else if (opcode_ == WebSocketOpcode::kClose) {
    closed_ = true;
    append_frame(WebSocketOpcode::kClose, control_.substr(0, 2), replies);
  }
}

bool WebSocketDecoder::feed(std::string_view bytes, std::string* payload, std::string* replies) {
  while (!bytes.empty() || (in_payload_ && left_ == 0)) {
    if (closed_) return false;
    if (!in_payload_) {
      const std::size_t wanted = header_have_ < 2 ? 2 : header_size();
      const std::size_t count = std::min(wanted - header_have_, bytes.size());
      std::copy_n(bytes.begin(), count,
                  header_.begin() + static_cast<std::ptrdiff_t>(header_have_));
      header_have_ += count;
      bytes.remove_prefix(count);
      if (header_have_ >= 2 && header_have_ == header_size() && !begin_frame()) return false;
      continue;
    }
    std::string* const into = is_control(opcode_) ? &control_ : payload;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    const std::size_t begin = into->size();
    into->append(bytes.substr(0, count));
    for (std::size_t i = 0; masked_ && i < count; ++i) {
      (*into)[begin + i] = static_cast<char>((*into)[begin + i] ^ mask_[(offset_ + i) % 4]);
    }
    bytes.remove_prefix(count);
    offset_ += count;
    left_ -= count;
    if (left_ > 0) continue;
    in_payload_ = false;
    if (is_control(opcode_)) end_control(replies);
  }
  return true;
}

}  // namespace sluice::fetcher
