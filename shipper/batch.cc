#include "shipper/batch.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "shipper/entry_packer.h"

namespace sluice::shipper {

void Batch::append(RecordPtr record) {
  SLUICE_CHECK(records_.empty() || record->seq > records_.back()->seq,
               "a batch's records must be in the order of their numbers");
  SLUICE_CHECK(record->record.route == route_, "a batch's records must have its route");
  body_bytes_ += record->record.body.size();
  records_.push_back(std::move(record));
}

std::string Batch::body(BodyForm form, const Stamp& stamp) const {
  switch (form) {
    case BodyForm::kArray:
      return json_array(stamp);
    case BodyForm::kNdjson:
      return json_lines(stamp);
    case BodyForm::kEntries:
      return entries(stamp);
    case BodyForm::kSingle:
      break;
  }
  return single(stamp);
}

std::string Batch::json_array(const Stamp& stamp) const {
  std::string json;
  json.reserve(body_bytes_ + records_.size() + 1);
  json.push_back('[');
  for (const auto& record : records_) {
    if (json.size() > 1) json.push_back(',');
    append_event(*record, stamp, &json);
  }
  json.push_back(']');
  return json;
}

// A line's end inside an event can only be space between its parts, so that another space may stand
// for it.
std::string Batch::json_lines(const Stamp& stamp) const {
  std::string lines;
  lines.reserve(body_bytes_ + records_.size());
  for (const auto& record : records_) {
    const auto begin = static_cast<std::ptrdiff_t>(lines.size());
    append_event(*record, stamp, &lines);
    std::replace_if(
        lines.begin() + begin, lines.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    lines.push_back('\n');
  }
  return lines;
}

std::string Batch::entries(const Stamp& stamp) const {
  std::string packed;
  packed.reserve(kUint32Bytes + body_bytes_ + body_bytes_ / 8);
  put_uint32(static_cast<std::uint32_t>(size()), &packed);
  EntryPacker packer;
  for (const auto& record : records_) packer.append(*record, stamp, &packed);
  return packed;
}

std::string Batch::single(const Stamp& stamp) const {
  SLUICE_CHECK(size() == 1, "a request for a single event must have one");
  std::string event;
  append_event(*records_.front(), stamp, &event);
  return event;
}

Batch Batch::take_front(std::size_t events, std::size_t bytes) {
  if (size() <= std::max<std::size_t>(1, events) && (size() == 1 || body_bytes_ <= bytes)) {
    return std::exchange(*this, Batch(route_));
  }
  Batch front(route_);
  std::size_t taken = 0;
  while (taken < size() && (taken == 0 || taken < events) &&
         (taken == 0 || front.body_bytes() + records_[taken]->record.body.size() <= bytes)) {
    front.append(records_[taken++]);
  }
  records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(taken));
  body_bytes_ -= front.body_bytes();
  return front;
}

std::size_t Batch::leave_out(const std::set<queue::Seq>& numbers) {
  return std::erase_if(records_, [&](const RecordPtr& record) {
    if (!numbers.contains(record->seq)) return false;
    body_bytes_ -= record->record.body.size();
    return true;
  });
}

std::pair<Batch, Batch> Batch::halves() const {
  SLUICE_CHECK(size() >= 2, "a batch of one event cannot be split");
  std::pair<Batch, Batch> halves{Batch(route_), Batch(route_)};
  const std::size_t middle = size() / 2;
  for (std::size_t i = 0; i < size(); ++i) {
    (i < middle ? halves.first : halves.second).append(records_[i]);
  }
  return halves;
}

}  // namespace sluice::shipper
