#include "queue/control/frame.h"

#include <fmt/format.h>

#include <cstdint>

#include "queue/bytes.h"

namespace sluice::queue {

std::string frame_of(std::string_view message) {
  std::string frame;
  frame.reserve(kFrameHeaderBytes + message.size());
  put_sized(&frame, message);
  return frame;
}

Result<std::optional<std::string>> take_frame(std::string* bytes, std::size_t max) {
  if (bytes->size() < kFrameHeaderBytes) return std::nullopt;
  const std::size_t length = ByteReader(*bytes).little<std::uint32_t>();
  if (length > max) {
    return fail(ErrorKind::kRejected, fmt::format("a message of {} bytes is announced, and at most "
                                                  "{} are allowed",
                                                  length, max));
  }
  if (bytes->size() < kFrameHeaderBytes + length) return std::nullopt;
  std::string message = bytes->substr(kFrameHeaderBytes, length);
  bytes->erase(0, kFrameHeaderBytes + length);
  return message;
}

}  // namespace sluice::queue
