// Who is told what happens in a lane: the log, or a test.
//
// Called on the lane's thread; must return quickly.
#ifndef SLUICE_SHIPPER_LANE_OBSERVER_H_
#define SLUICE_SHIPPER_LANE_OBSERVER_H_

#include <string_view>

#include "queue/dead_letter.h"

namespace sluice::shipper {

class Batch;

class LaneObserver {
 public:
  LaneObserver() = default;
  LaneObserver(const LaneObserver&) = delete;
  LaneObserver& operator=(const LaneObserver&) = delete;
  virtual ~LaneObserver() = default;

  // A request was not successful and will be sent again. Called for each; a cause that lasts is
  // told in the same words. `batch` is what was sent; nullptr: nothing was.
  virtual void on_failure(std::string_view sentence, const Batch* batch) = 0;
  // The sink takes events again, or the batch that failed. May be called more often than needed.
  virtual void on_healed() = 0;
  // Events go to `url` from now on, for that reason.
  virtual void on_other_url(std::string_view url, std::string_view reason) = 0;
  // A dead letter is on disk.
  virtual void on_dead_letter(const queue::DeadLetter& letter) = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_LANE_OBSERVER_H_
