// How messages follow each other on the control socket: four bytes of length, the lowest first, and
// the message. Internal to queue/control/. Pure.
#ifndef SLUICE_QUEUE_CONTROL_FRAME_H_
#define SLUICE_QUEUE_CONTROL_FRAME_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice::queue {

inline constexpr std::size_t kFrameHeaderBytes = 4;
inline constexpr std::size_t kRequestBytesMax = 2U << 20;
inline constexpr std::size_t kResponseBytesMax = 16U << 20;

std::string frame_of(std::string_view message);

// Takes the first message out of `*bytes`, once it is there as a whole. kRejected: it announces
// more than `max` bytes.
Result<std::optional<std::string>> take_frame(std::string* bytes, std::size_t max);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_FRAME_H_
