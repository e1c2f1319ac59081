// Where a lane's records come from: the queue's reader, or a test's list.
//
// Used by one lane's thread.
#ifndef SLUICE_SHIPPER_RECORD_SOURCE_H_
#define SLUICE_SHIPPER_RECORD_SOURCE_H_

#include <vector>

#include "common/error.h"
#include "queue/reader.h"
#include "queue/types.h"
#include "shipper/batch.h"

namespace sluice::shipper {

class RecordSource {
 public:
  RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;
  virtual ~RecordSource() = default;

  // Durable records from `first` on, dense, as many as there are and fit; empty when there is none
  // yet. Errors as queue::Reader::read().
  virtual Result<std::vector<RecordPtr>> read(queue::Lane lane, queue::Seq first,
                                              const queue::ReadLimits& limits) = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_RECORD_SOURCE_H_
