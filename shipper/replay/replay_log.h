// Tells the log what happens in a replay job: a cause once and then now and then, each refusal.
#ifndef SLUICE_SHIPPER_REPLAY_REPLAY_LOG_H_
#define SLUICE_SHIPPER_REPLAY_REPLAY_LOG_H_

#include <cstdint>
#include <string_view>

#include "common/repeated_message.h"
#include "queue/types.h"
#include "shipper/lane_observer.h"

namespace sluice::shipper {

class ReplayLog final : public LaneObserver {
 public:
  ReplayLog(std::uint64_t job, queue::Lane lane);
  void on_failure(std::string_view sentence) override;
  void on_healed() override;
  void on_other_url(std::string_view url, std::string_view reason) override;
  // Of a replayed event there is no dead letter: it is still in the queue, and the job counts it.
  void on_dead_letter(const queue::DeadLetter& letter) override;

 private:
  std::uint64_t job_;
  queue::Lane lane_;
  RepeatedMessage trouble_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REPLAY_REPLAY_LOG_H_
