#include "fetcher/ingest/item.h"

#include <utility>

namespace sluice::fetcher {
namespace {

std::size_t bytes_of(const StateChange& change) {
  return change.key.size() + (change.value ? change.value->size() : 0);
}

std::size_t bytes_of(const Mark&) { return 0; }

std::size_t bytes_of(const Event& event) {
  return event.id.size() + event.type.size() + event.json.size() + event.sid.size();
}

std::size_t bytes_of(const Reject& reject) {
  return reject.id.size() + reject.type.size() + reject.reason.size() + reject.bytes.size();
}

}  // namespace

std::size_t Item::bytes() const {
  std::size_t total = sizeof(Item) + route.size();
  total += std::visit([](const auto& held) { return bytes_of(held); }, content);
  if (cursor) total += bytes_of(*cursor);
  for (const StateChange& change : also) total += sizeof(StateChange) + bytes_of(change);
  return total;
}

Item item_of(queue::Lane lane, std::expected<Event, Reject> decoded) {
  Item item;
  item.lane = lane;
  if (decoded) {
    item.content = std::move(*decoded);
  } else {
    item.content = std::move(decoded.error());
  }
  return item;
}

Item mark_of(queue::Lane lane, std::string key, std::optional<std::string> value) {
  Item item;
  item.lane = lane;
  item.cursor = StateChange{std::move(key), std::move(value)};
  return item;
}

}  // namespace sluice::fetcher
