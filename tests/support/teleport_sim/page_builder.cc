#include "tests/support/teleport_sim/page_builder.h"

#include <utility>

namespace sluice::teleport_sim {
namespace {

constexpr std::size_t kPageBytesMax = std::size_t{1} << 20;
constexpr std::uint32_t kLimitDefault = 500;
constexpr std::uint32_t kTwiceEach = 7;  // with duplicates on, every so many events

std::uint32_t limit_of(const teleport::auditlog::v1::GetUnstructuredEventsRequest& request) {
  return request.limit() <= 0 ? kLimitDefault : static_cast<std::uint32_t>(request.limit());
}

}  // namespace

PageBuilder::PageBuilder(const teleport::auditlog::v1::GetUnstructuredEventsRequest& request,
                         Place begin, const PageShape& shape, const Simulation& simulation,
                         teleport::auditlog::v1::EventsUnstructured* page)
    : limit_(limit_of(request)),
      begin_(std::move(begin)),
      shape_(shape),
      duplicates_(simulation.faults.duplicates),
      types_(request.event_types().begin(), request.event_types().end()),
      simulation_(simulation),
      page_(*page) {}

bool PageBuilder::add(const Entry& entry, const std::string& sid) {
  if (!types_.empty() && !types_.contains(simulation_.maker.audit_type(entry))) return true;
  if (static_cast<std::uint32_t>(page_.items_size()) >= limit_ || events_ >= shape_.events_max) {
    return more();
  }
  const Event event = simulation_.maker.audit_event(entry, sid);
  teleport::auditlog::v1::EventUnstructured item;
  to_message(event, &item);
  const bool twice = duplicates_ && events_ % kTwiceEach == kTwiceEach - 1;
  bytes_ += item.ByteSizeLong() * (twice ? 2 : 1);
  if (bytes_ > kPageBytesMax && page_.items_size() > 0) return more();
  simulation_.record.note_search_event(event);
  before_last_ = std::exchange(last_, Place{event.time, event.id});
  ++events_;
  if (twice) *page_.add_items() = item;
  *page_.add_items() = std::move(item);
  return true;
}

std::optional<Place> PageBuilder::go_on_behind() const {
  if (!has_more_ && !(shape_.key_behind_the_last && last_)) return std::nullopt;
  if (!last_) return begin_;
  // Of three events two are new, so the search gets on.
  return duplicates_ && has_more_ && events_ > 2 ? before_last_ : last_;
}

bool PageBuilder::more() {
  has_more_ = true;
  return false;
}

}  // namespace sluice::teleport_sim
