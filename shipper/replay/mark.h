// Marks a replayed event, so that a receiver can tell it from the first delivery.
#ifndef SLUICE_SHIPPER_REPLAY_MARK_H_
#define SLUICE_SHIPPER_REPLAY_MARK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "queue/types.h"

namespace sluice::shipper {

// The JSON object `body` with one member more, at its end:
// "_sluice":{"replay":14,"lane":"audit","seq":42}. Every other byte stays as it is.
std::string marked(std::string_view body, std::uint64_t job, queue::Lane lane, queue::Seq seq);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REPLAY_MARK_H_
