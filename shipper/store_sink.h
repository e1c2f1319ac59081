// The delivery store as the place where finished work is made durable.
//
// Events that a person skips while they are under way are left to the store's account: an answer
// 2xx for one of them makes it acknowledged, any other leaves it skipped.
#ifndef SLUICE_SHIPPER_STORE_SINK_H_
#define SLUICE_SHIPPER_STORE_SINK_H_

#include "queue/dead_letter_limits.h"
#include "queue/delivery_store.h"
#include "shipper/completion_sink.h"

namespace sluice::shipper {

using queue::DeadLetterLimits;

class StoreSink final : public CompletionSink {
 public:
  // `store` must outlive this.
  explicit StoreSink(queue::DeliveryStore* store, DeadLetterLimits limits = {})
      : store_(store), limits_(limits) {}
  Result<void> commit(queue::Lane lane, const Finished& finished) override;
  std::vector<queue::Seq> taken_out(queue::Lane lane, std::uint64_t* mark) override;
  std::optional<std::string> no_room_for_letters(queue::Lane lane, std::size_t coming) override;

 private:
  queue::DeliveryStore* store_;
  DeadLetterLimits limits_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_STORE_SINK_H_
