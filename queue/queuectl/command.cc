#include "queue/queuectl/command.h"

#include <fmt/format.h>

#include "queue/types.h"

namespace sluice::queue {

Result<Lane> parse_lane(const std::string& name) {
  if (const auto lane = lane_from_name(name)) return *lane;
  return fail(ErrorKind::kUsage,
              fmt::format("there is no lane \"{}\": use audit or session", name));
}

Result<std::vector<Lane>> parse_lanes(const std::string& name) {
  if (name.empty()) return std::vector<Lane>(kLanes.begin(), kLanes.end());
  SLUICE_ASSIGN(const Lane lane, parse_lane(name));
  return std::vector<Lane>{lane};
}

}  // namespace sluice::queue
