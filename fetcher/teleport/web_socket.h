// WebSocket frames (RFC 6455) as far as Teleport's connection upgrade uses them: binary messages
// that carry a stream of bytes, pings and the end.
//
// The decoder takes foreign bytes in any pieces. It never holds more than what it was fed.
#ifndef SLUICE_FETCHER_TELEPORT_WEB_SOCKET_H_
#define SLUICE_FETCHER_TELEPORT_WEB_SOCKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::fetcher {

enum class WebSocketOpcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// Appends a frame as a client sends it: with the mask bit and an all-zero mask, since Teleport has
// not always taken the mask off (reference: Teleport's own client).
void append_frame(WebSocketOpcode opcode, std::string_view payload, std::string* out);

// The Sec-WebSocket-Accept that belongs to a Sec-WebSocket-Key.
std::string web_socket_accept(std::string_view key);

class WebSocketDecoder {
 public:
  static constexpr std::size_t kControlBytesMax = 125;

  // What messages carried is appended to *payload, and frames that must be answered with
  // (pongs) to *replies. False: this is no WebSocket, or more came after its end.
  bool feed(std::string_view bytes, std::string* payload, std::string* replies);

  // The server has sent its close frame.
  bool closed() const { return closed_; }

 private:
  bool begin_frame();
  std::size_t header_size() const;
  void end_control(std::string* replies);

  std::array<unsigned char, 14> header_{};
  std::size_t header_have_ = 0;
  bool in_payload_ = false;
  WebSocketOpcode opcode_ = WebSocketOpcode::kBinary;
  std::uint64_t left_ = 0;
  std::uint64_t offset_ = 0;  // in the payload, for the mask
  bool masked_ = false;
  std::array<unsigned char, 4> mask_{};
  std::string control_;  // payload of a control frame
  bool closed_ = false;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_WEB_SOCKET_H_
