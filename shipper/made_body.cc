#include "shipper/made_body.h"

#include <memory>

#include "queue/record.h"
#include "shipper/batch.h"

namespace sluice::shipper {

std::string made_body(const std::string& event, std::size_t times, BodyForm form) {
  Batch batch("");
  for (std::size_t i = 1; i <= times; ++i) {
    queue::StoredRecord record{.seq = i, .record = {}};
    record.record.body = event;
    batch.append(std::make_shared<const queue::StoredRecord>(record));
  }
  return batch.body(form, {});
}

}  // namespace sluice::shipper
