// What has become of a lane's numbers: as of one look at the delivery store, or, for who may not
// read that, at the shipper's page.
//
// Value type; look() opens the store for the moment.
#ifndef SLUICE_QUEUE_QUEUECTL_DELIVERED_H_
#define SLUICE_QUEUE_QUEUECTL_DELIVERED_H_

#include <optional>
#include <set>
#include <vector>

#include "common/error.h"
#include "queue/delivery_store.h"
#include "queue/queuectl/access.h"
#include "queue/types.h"

namespace sluice::queue {

class Delivered {
 public:
  // Without a store yet, nothing is delivered.
  static Result<Delivered> look(Access* access, Lane lane);

  // Up to here every number is accounted for.
  Seq position() const { return progress_.position; }
  // Nothing beyond this one is.
  Seq last() const;
  bool is_accounted_for(Seq seq) const;
  // Whether the sink has taken it: neither a dead letter nor taken out by hand. What `queuectl
  // adopt` has passed over cannot be told from it.
  bool is_acknowledged(const RecordKey& record) const;
  // Why the store could not be read, so that only the position is known.
  const std::optional<Error>& problem() const { return problem_; }

 private:
  LaneProgress progress_;
  std::set<RecordKey> set_aside_;
  std::optional<Error> problem_;
};

// Up to where the lane is delivered.
Result<Seq> position_of(Access* access, Lane lane);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_DELIVERED_H_
