#include "tests/bench/wire_events.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/check.h"
#include "tests/support/teleport_sim/event_maker.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kJsonMin = 512;
constexpr std::size_t kJsonMax = 1840;
constexpr std::string_view kCursor = "a1:00000000";
constexpr std::size_t kCursorDigits = 8;
constexpr std::size_t kDaySeconds = 86'400;
constexpr std::size_t kIdDigits = 12;  // the last part of a UUID

// Lower-case hexadecimal digits, up to `end`.
void write_digits(std::uint64_t number, std::size_t digits, char* end) {
  for (; digits > 0; --digits, number >>= 4U) *--end = "0123456789abcdef"[number & 15U];
}

std::size_t end_of(std::string_view part, const std::string& message, std::size_t from) {
  const std::size_t found = message.find(part, from);
  SLUICE_CHECK(found != std::string::npos, "the event has its id twice, and its cursor");
  return found + part.size();
}

}  // namespace

WireEvent::WireEvent(std::string message, std::string_view uid, std::string_view cursor)
    : message_(std::move(message)) {
  id_ends_[0] = end_of(uid, message_, 0);
  id_ends_[1] = end_of(uid, message_, id_ends_[0]);
  cursor_end_ = end_of(cursor, message_, 0);
}

void WireEvent::copy(std::uint64_t id, std::uint64_t place, char* to) const {
  std::copy(message_.begin(), message_.end(), to);
  for (const std::size_t end : id_ends_) write_digits(id, kIdDigits, to + end);
  write_digits(place, kCursorDigits, to + cursor_end_);
}

std::vector<WireEvent> make_wire_events(std::size_t count, Day day, std::uint64_t seed) {
  const teleport_sim::EventMaker maker(seed, "bank.example.com", {}, {});
  std::vector<WireEvent> events;
  // A chunk's events are in the order of their times.
  const auto apart = static_cast<std::int64_t>(kDaySeconds / count);
  teleport_sim::Entry entry{.time = start_of_day(day)};
  for (; events.size() < count; ++entry.number) {
    entry.time.seconds =
        start_of_day(day).seconds + apart * static_cast<std::int64_t>(events.size());
    const teleport_sim::Event event = maker.audit_event(entry, "");
    const std::size_t size = event.body.dump().size();
    if (!event.body.contains("uid") || size < kJsonMin || size > kJsonMax) continue;
    teleport::auditlog::v1::ExportEventUnstructured message;
    teleport_sim::to_message(event, message.mutable_event());
    message.set_cursor(std::string(kCursor));
    events.emplace_back(message.SerializeAsString(), event.id, kCursor);
  }
  return events;
}

}  // namespace sluice::bench
