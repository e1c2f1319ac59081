// What may be trimmed: the policy, apart from everything that carries it out.
//
// An event is trimmed only after it was acknowledged. It goes when it has been acknowledged for the
// retention time, or earlier when room is needed. A hold (of a replay) keeps events beyond their
// time; it yields only when room is needed and nothing else can be trimmed.
//
// Pure functions, callable from any thread.
#ifndef SLUICE_QUEUE_RETENTION_H_
#define SLUICE_QUEUE_RETENTION_H_

#include <cstdint>
#include <vector>

#include "queue/types.h"

namespace sluice::queue {

// A table file of a lane, which can be deleted as a whole.
struct KeptFile {
  Seq first = 0;
  Seq last = 0;
  std::uint64_t bytes = 0;
};

// How many bytes should go: of both lanes together, and of each alone.
struct RoomNeeded {
  std::uint64_t total = 0;
  PerLane<std::uint64_t> lane;
  bool any() const;
};

// The first numbers that need not go, so that the files wholly below them free what is needed;
// files from `limit` on stay. Files ascend by `last`. Files go from the lane whose trimmable files
// hold more. A lane of which nothing need go has 0. Subtracts from *needed what they free.
PerLane<Seq> size_edges(const PerLane<std::vector<KeptFile>>& files, const PerLane<Seq>& limit,
                        RoomNeeded* needed);

struct LaneRetention {
  Seq floor = 1;        // the first number that is kept now
  Seq position = 0;     // acknowledged up to here
  Seq hold = 0;         // kept from here on for replays, kNoHold: no hold
  Seq aged = 0;         // had been acknowledged up to here a retention time ago
  Seq size_edge = 0;    // below here room is needed, without touching what is held
  Seq forced_edge = 0;  // below here room is needed, held or not
};

// The first number to keep from now on; never below the present floor.
Seq next_floor(const LaneRetention& lane);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_RETENTION_H_
