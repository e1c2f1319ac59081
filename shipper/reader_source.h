// The queue's reader as a lane's source of records.
#ifndef SLUICE_SHIPPER_READER_SOURCE_H_
#define SLUICE_SHIPPER_READER_SOURCE_H_

#include <vector>

#include "queue/reader.h"
#include "shipper/record_source.h"

namespace sluice::shipper {

class ReaderSource final : public RecordSource {
 public:
  // `reader` must outlive this; the records that it returned need not.
  explicit ReaderSource(queue::Reader* reader) : reader_(reader) {}
  Result<std::vector<RecordPtr>> read(queue::Lane lane, queue::Seq first,
                                      const queue::ReadLimits& limits) override;

 private:
  queue::Reader* reader_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_READER_SOURCE_H_
