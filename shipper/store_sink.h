// The delivery store as the place where finished work is made durable.
#ifndef SLUICE_SHIPPER_STORE_SINK_H_
#define SLUICE_SHIPPER_STORE_SINK_H_

#include "queue/delivery_store.h"
#include "shipper/completion_sink.h"

namespace sluice::shipper {

class StoreSink final : public CompletionSink {
 public:
  // `store` must outlive this.
  explicit StoreSink(queue::DeliveryStore* store) : store_(store) {}
  Result<void> commit(queue::Lane lane, const Finished& finished) override;

 private:
  queue::DeliveryStore* store_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_STORE_SINK_H_
