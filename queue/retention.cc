#include "queue/retention.h"

#include <algorithm>
#include <cstddef>

namespace sluice::queue {
namespace {

std::uint64_t take(std::uint64_t bytes, std::uint64_t freed) {
  return bytes - std::min(bytes, freed);
}

// Which files of a lane may go, and how far that has come.
struct Candidates {
  const std::vector<KeptFile>* files = nullptr;
  std::size_t next = 0;
  std::size_t end = 0;
  std::uint64_t bytes = 0;  // of those that may still go
  bool empty() const { return next == end; }
};

Candidates candidates(const std::vector<KeptFile>& files, Seq limit) {
  Candidates found{.files = &files};
  while (found.end < files.size() && files[found.end].last < limit) {
    found.bytes += files[found.end++].bytes;
  }
  return found;
}

}  // namespace

bool RoomNeeded::any() const {
  return total > 0 ||
         std::any_of(kLanes.begin(), kLanes.end(), [&](Lane l) { return lane[l] > 0; });
}

PerLane<Seq> size_edges(const PerLane<std::vector<KeptFile>>& files, const PerLane<Seq>& limit,
                        RoomNeeded* needed) {
  PerLane<Seq> edges;
  PerLane<Candidates> left;
  for (const Lane lane : kLanes) left[lane] = candidates(files[lane], limit[lane]);
  const auto give = [&](Lane lane) {
    Candidates& from = left[lane];
    const KeptFile& file = (*from.files)[from.next++];
    from.bytes -= file.bytes;
    edges[lane] = file.last + 1;
    needed->total = take(needed->total, file.bytes);
    needed->lane[lane] = take(needed->lane[lane], file.bytes);
  };
  for (const Lane lane : kLanes) {
    while (needed->lane[lane] > 0 && !left[lane].empty()) give(lane);
  }
  while (needed->total > 0) {
    const Lane fuller =
        left[Lane::kSession].bytes > left[Lane::kAudit].bytes ? Lane::kSession : Lane::kAudit;
    if (left[fuller].empty()) break;
    give(fuller);
  }
  return edges;
}

Seq next_floor(const LaneRetention& lane) {
  const Seq wanted = std::min(lane.hold, std::max(lane.aged + 1, lane.size_edge));
  const Seq target = std::min(lane.position + 1, std::max(wanted, lane.forced_edge));
  return std::max(lane.floor, target);
}

}  // namespace sluice::queue
