#include "shipper/own_record.h"

#include <cstddef>
#include <memory>
#include <string>

namespace sluice::shipper {
namespace {

struct OwnRecord {
  std::string bytes;
  queue::StoredRecord stored;
};

}  // namespace

RecordPtr own_copy(const queue::StoredRecord& stored) {
  return own_copy(stored, stored.record.body);
}

RecordPtr own_copy(const queue::StoredRecord& stored, std::string_view body) {
  const auto own = std::make_shared<OwnRecord>();
  own->stored = stored;
  auto& record = own->stored.record;
  record.body = body;
  const auto views = {&record.id, &record.type, &record.route, &record.note, &record.body};
  std::size_t size = 0;
  for (const std::string_view* view : views) size += view->size();
  own->bytes.reserve(size);
  for (std::string_view* view : views) {
    const std::size_t begin = own->bytes.size();
    own->bytes.append(*view);
    *view = std::string_view(own->bytes.data() + begin, view->size());
  }
  return {own, &own->stored};
}

}  // namespace sluice::shipper
