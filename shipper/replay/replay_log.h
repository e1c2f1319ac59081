// Tells the log what happens beside the live flow, in a replay job or with dead letters that are
// sent again: each cause once and then now and then, with its count.
#ifndef SLUICE_SHIPPER_REPLAY_REPLAY_LOG_H_
#define SLUICE_SHIPPER_REPLAY_REPLAY_LOG_H_

#include <string>
#include <string_view>

#include "common/repeated_message.h"
#include "queue/types.h"
#include "shipper/lane_observer.h"

namespace sluice::shipper {

class ReplayLog final : public LaneObserver {
 public:
  // `subject`: "replay 14".
  ReplayLog(std::string subject, queue::Lane lane);
  void on_failure(std::string_view sentence, const Batch* batch) override;
  void on_healed() override;
  void on_other_url(std::string_view url, std::string_view reason) override;
  // Not a new dead letter: a replayed event is still in the queue, and the job counts it; a dead
  // letter stays one.
  void on_dead_letter(const queue::DeadLetter& letter) override;

 private:
  std::string subject_;
  queue::Lane lane_;
  RepeatedMessage trouble_;
  RepeatedMessage other_url_;
  RepeatedMessage refusals_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REPLAY_REPLAY_LOG_H_
