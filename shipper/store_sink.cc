#include "shipper/store_sink.h"

namespace sluice::shipper {

Result<void> StoreSink::commit(queue::Lane lane, const Finished& finished) {
  queue::Completion completion(lane);
  for (const auto& record : finished.acknowledged) completion.acknowledge(*record);
  for (const auto& [record, letter] : finished.set_aside) completion.set_aside(*record, letter);
  for (const auto& record : finished.gaps) completion.pass_gap(*record);
  return store_->commit(completion);
}

}  // namespace sluice::shipper
