// Tells the log what happens in a lane: a cause once and then now and then, each dead letter.
#ifndef SLUICE_SHIPPER_LANE_LOG_H_
#define SLUICE_SHIPPER_LANE_LOG_H_

#include <string_view>

#include "common/repeated_message.h"
#include "queue/types.h"
#include "shipper/lane_observer.h"

namespace sluice::shipper {

class LaneLog final : public LaneObserver {
 public:
  explicit LaneLog(queue::Lane lane);
  void on_failure(std::string_view sentence) override;
  void on_healed() override;
  void on_other_url(std::string_view url, std::string_view reason) override;
  void on_dead_letter(const queue::DeadLetter& letter) override;

 private:
  queue::Lane lane_;
  RepeatedMessage trouble_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_LANE_LOG_H_
