#include "shipper/reader_source.h"

#include <memory>
#include <utility>

namespace sluice::shipper {

Result<std::vector<RecordPtr>> ReaderSource::read(queue::Lane lane, queue::Seq first,
                                                  const queue::ReadLimits& limits) {
  SLUICE_ASSIGN(auto batch, reader_->read(lane, first, limits));
  std::vector<RecordPtr> records;
  if (batch.empty()) return records;
  const auto shared = std::make_shared<const queue::RecordBatch>(std::move(batch));
  records.reserve(shared->records().size());
  for (const auto& record : shared->records()) records.emplace_back(shared, &record);
  return records;
}

}  // namespace sluice::shipper
