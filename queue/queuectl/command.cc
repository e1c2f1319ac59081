#include "queue/queuectl/command.h"

#include <fmt/format.h>

#include "queue/types.h"

namespace sluice::queue {

Result<Lane> parse_lane(const std::string& name) {
  if (const auto lane = lane_from_name(name)) return *lane;
  return fail(ErrorKind::kUsage,
              fmt::format("there is no lane \"{}\": use audit or session", name));
}

}  // namespace sluice::queue
