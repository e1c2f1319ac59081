#include "queue/types.h"

#include <fmt/format.h>

#include "common/random.h"

namespace sluice::queue {

std::string_view name_of(Lane lane) { return lane == Lane::kAudit ? "audit" : "session"; }

std::optional<Lane> lane_from_name(std::string_view name) {
  for (const Lane lane : kLanes) {
    if (name == name_of(lane)) return lane;
  }
  return std::nullopt;
}

Id128 Id128::random() {
  Id128 id;
  fill_random(id.bytes);
  return id;
}

std::string Id128::to_string() const {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string Id128::short_string() const {
  return fmt::format("{:02x}{:02x}-{:02x}{:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

}  // namespace sluice::queue
