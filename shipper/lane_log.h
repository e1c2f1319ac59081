// Tells the log what happens in a lane: each cause once and then now and then, with its count.
#ifndef SLUICE_SHIPPER_LANE_LOG_H_
#define SLUICE_SHIPPER_LANE_LOG_H_

#include <string>
#include <string_view>

#include "common/log.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "queue/types.h"
#include "shipper/lane_observer.h"

namespace sluice::shipper {

// "17-516", for a log field; empty without a batch.
std::string numbers_of(const Batch* batch);

// "event 9b2e…, number 17, user.login".
std::string describe_event(const queue::DeadLetter& letter);

class LaneLog final : public LaneObserver {
 public:
  explicit LaneLog(queue::Lane lane, const Clock& clock = system_clock(),
                   const LogSink& sink = log_entry);
  void on_failure(std::string_view sentence, const Batch* batch) override;
  void on_healed() override;
  void on_other_url(std::string_view url, std::string_view reason) override;
  void on_dead_letter(const queue::DeadLetter& letter) override;

 private:
  queue::Lane lane_;
  RepeatedMessage trouble_;
  RepeatedMessage other_url_;
  RepeatedMessage dead_letters_;
  bool fails_ = false;  // the last try did
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_LANE_LOG_H_
