#include "fetcher/teleport/web_socket_transport.h"

#include <algorithm>
#include <array>

#include "fetcher/teleport/transport_bio.h"

namespace sluice::fetcher {
namespace {

// A TLS record, which is what the inner session writes at once.
constexpr std::size_t kFrameBytesMax = 17U << 10;
constexpr std::size_t kReadBytes = 32U << 10;

WebSocketTransport& transport_of(BIO* bio) {
  return *static_cast<WebSocketTransport*>(BIO_get_data(bio));
}

int bio_write(BIO* bio, const char* bytes, int count) {
  BIO_clear_retry_flags(bio);
  const int written = transport_of(bio).write(bytes, static_cast<std::size_t>(count));
  if (written == WebSocketTransport::kAgain) BIO_set_retry_write(bio);
  return std::max(written, -1);
}

int bio_read(BIO* bio, char* into, int room) {
  BIO_clear_retry_flags(bio);
  const int count = transport_of(bio).read(into, static_cast<std::size_t>(room));
  if (count == WebSocketTransport::kAgain) BIO_set_retry_read(bio);
  return std::max(count, -1);
}

long bio_control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  if (command != BIO_CTRL_FLUSH) return 0;
  transport_of(bio).flush();
  return 1;
}

}  // namespace

WebSocketTransport::WebSocketTransport(TlsSession* outer, std::string_view first_bytes)
    : outer_(*outer) {
  take(first_bytes);
}

OpensslPtr<BIO> WebSocketTransport::new_bio() {
  static const auto kind = new_transport_kind(
      "WebSocket", {.write = &bio_write, .read = &bio_read, .control = &bio_control});
  return new_transport(kind.get(), this);
}

bool WebSocketTransport::take(std::string_view bytes) {
  if (!decoder_.feed(bytes, &received_, &to_send_)) {
    failure_ = "what comes through the connection upgrade is no WebSocket";
    ended_ = true;
  } else if (decoder_.closed()) {
    ended_ = true;
  }
  return !ended_;
}

bool WebSocketTransport::flush() {
  while (sent_to_ < to_send_.size()) {
    const auto sent = outer_.write(std::string_view(to_send_).substr(sent_to_));
    if (!sent) {
      failure_ = sent.error().cause;
      ended_ = true;
      return true;  // nothing more can be done
    }
    if (*sent == 0) return false;
    sent_to_ += *sent;
  }
  to_send_.clear();
  sent_to_ = 0;
  return true;
}

int WebSocketTransport::write(const char* bytes, std::size_t count) {
  if (!flush()) return kAgain;
  if (ended_) return -1;
  const std::string_view payload(bytes, std::min(count, kFrameBytesMax));
  append_frame(WebSocketOpcode::kBinary, payload, &to_send_);
  flush();
  return static_cast<int>(payload.size());
}

int WebSocketTransport::read(char* into, std::size_t room) {
  std::array<char, kReadBytes> bytes;
  while (read_to_ == received_.size()) {
    received_.clear();
    read_to_ = 0;
    if (ended_) return failure_ ? -1 : 0;
    const auto count = outer_.read(bytes);
    if (!count) {
      ended_ = true;
      if (!count.error().cause.empty()) failure_ = count.error().cause;
      continue;
    }
    if (*count == 0) return kAgain;
    take({bytes.data(), *count});
    flush();  // answers to pings
  }
  const std::size_t count = std::min(room, received_.size() - read_to_);
  std::copy_n(received_.begin() + static_cast<std::ptrdiff_t>(read_to_), count, into);
  read_to_ += count;
  return static_cast<int>(count);
}

}  // namespace sluice::fetcher
