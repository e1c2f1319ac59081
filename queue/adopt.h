// Pairs a queue and a delivery store by hand, where the daemons refuse to: a half was lost,
// restored or replaced, or the instance was moved. Internal to queue/; `queuectl adopt` and
// `queuectl retire` call it.
//
// Both daemons must be stopped (kBusy). The store is written first and the queue second, each in
// one synced write; a kill in between leaves a pair that is still refused or already right, and the
// same command again finishes it. Numbers that are passed over count as skipped, in the lane and in
// the ledger, and the journal says who did it and why. Replay jobs whose numbers may belong to
// other events afterwards are cancelled. Works as the owner of each folder (see folder_owner.h).
// One thread.
#ifndef SLUICE_QUEUE_ADOPT_H_
#define SLUICE_QUEUE_ADOPT_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/instance.h"
#include "queue/types.h"

namespace sluice::queue {

// Where delivery goes on.
struct AdoptFrom {
  enum class Kind {
    kPosition,  // where the present store is, which must belong to the queue
    kFloor,     // at the first number that is kept
    kNumber,    // at `number`
  };
  Kind kind = Kind::kPosition;
  Seq number = 0;
};

struct AdoptOptions {
  InstancePaths paths;
  Machine machine;
  const Clock* clock = nullptr;  // nullptr: the system's
  AdoptFrom from;
  std::optional<Lane> lane;  // nothing: both; the other one stays where it is
  std::string reason;
};

struct LaneAdoption {
  Seq before = 0;  // the position
  Seq after = 0;
  std::uint64_t skipped = 0;  // numbers that are passed over and were not accounted for before
  std::uint64_t again = 0;    // numbers that were accounted for and are delivered again
};

struct Adoption {
  Id128 queue_id;
  Id128 delivery_id;
  bool store_is_new = false;
  std::filesystem::path aside;  // where a store that is not of this queue was put; may be empty
  PerLane<LaneAdoption> lanes;
  std::vector<std::uint64_t> cancelled_replays;
};

Result<Adoption> adopt(const AdoptOptions& options);

// Marks queue and store as retired: neither daemon starts on them, nor on a copy, until adopt() has
// been called where they are to live.
struct RetireOptions {
  InstancePaths paths;
  const Clock* clock = nullptr;
  std::string reason;
};
Result<void> retire(const RetireOptions& options);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_ADOPT_H_
