// Copies of records in memory of their own, apart from the block that they were read into.
//
// A block is shared by hundreds of records and lives as long as any of them. Pure; any thread.
#ifndef SLUICE_SHIPPER_OWN_RECORD_H_
#define SLUICE_SHIPPER_OWN_RECORD_H_

#include <string_view>

#include "queue/record.h"
#include "shipper/batch.h"

namespace sluice::shipper {

RecordPtr own_copy(const queue::StoredRecord& stored);
// With another body.
RecordPtr own_copy(const queue::StoredRecord& stored, std::string_view body);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_OWN_RECORD_H_
