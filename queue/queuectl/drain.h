// Whether what was in the queue at a moment is delivered.
//
// Goes by the two control pages, so whoever may read the queue may wait, and costs the daemons
// nothing. One thread; `access` must outlive it.
#ifndef SLUICE_QUEUE_QUEUECTL_DRAIN_H_
#define SLUICE_QUEUE_QUEUECTL_DRAIN_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "common/error.h"
#include "queue/control_page.h"
#include "queue/queuectl/access.h"
#include "queue/reader.h"
#include "queue/types.h"

namespace sluice::queue {

class Drain {
 public:
  // What is committed now is what is waited for.
  static Result<Drain> begin(Access* access, std::vector<Lane> lanes);

  const std::vector<Lane>& lanes() const { return lanes_; }
  // The last number of a lane that is waited for; 0: none. Numbers that the queue loses meanwhile
  // are waited for no more.
  Seq target(Lane lane) const { return target_[lane]; }

  // How many numbers are left up to the target, before the first that is not accounted for and
  // behind it. kBusy: the fetcher opens the queue.
  Result<PerLane<std::uint64_t>> left();

  // Until the shipper has got on, or `timeout` has passed.
  void wait(std::chrono::milliseconds timeout);

 private:
  Drain(Access* access, std::vector<Lane> lanes);
  Seq position(const QueueView& view, Lane lane);

  Access* access_;
  std::vector<Lane> lanes_;
  PerLane<Seq> target_;
  std::unique_ptr<PageReader> page_;
  std::uint32_t doorbell_ = 0;
};

// How far the shipper's page says that the lane is delivered, as far as that holds in the queue as
// it is now: what the queue has lost since counts no more. 0: the page is not of this queue.
Seq position_in(const QueueView& view, const ShipperPage& page, Lane lane);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_DRAIN_H_
