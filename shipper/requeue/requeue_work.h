// The dead letters of one lane that are to be sent again, as a lane of its own: where its records
// come from, and where their end is written down.
//
// They are handed out by number. One that is asked for later and has a lower number waits until
// those that are under way are done. When nothing is left, read() returns kStopped. A crash repeats
// what was handed out and not committed. Used by its lane's thread alone.
#ifndef SLUICE_SHIPPER_REQUEUE_REQUEUE_WORK_H_
#define SLUICE_SHIPPER_REQUEUE_REQUEUE_WORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "common/error.h"
#include "queue/delivery_store.h"
#include "queue/types.h"
#include "shipper/completion_sink.h"
#include "shipper/record_source.h"

namespace sluice::shipper {

class RequeueWork final : public RecordSource, public CompletionSink {
 public:
  // `store` must outlive this. `begin` is called on the lane's thread before the first read; may be
  // empty.
  RequeueWork(queue::Lane lane, queue::DeliveryStore* store, std::function<void()> begin = {})
      : lane_(lane), store_(store), begin_(std::move(begin)) {}

  // `first` is not looked at.
  Result<std::vector<RecordPtr>> read(queue::Lane lane, queue::Seq first,
                                      const queue::ReadLimits& limits) override;
  Result<void> commit(queue::Lane lane, const Finished& finished) override;
  // Those that are not to be sent again after all.
  std::vector<queue::Seq> taken_out(queue::Lane lane, std::uint64_t* mark) override;

 private:
  queue::Lane lane_;
  queue::DeliveryStore* store_;
  std::function<void()> begin_;
  std::map<queue::Seq, queue::RecordKey> handed_out_;  // and not finished
  queue::Seq last_ = 0;                                // that was handed out
  // The lane sends them no more; if they are asked for again, that is for the next one.
  std::set<queue::Seq> taken_out_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REQUEUE_REQUEUE_WORK_H_
