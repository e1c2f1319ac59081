#include "tests/support/teleport_sim/catalog.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "tests/support/teleport_sim/dice.h"

namespace sluice::teleport_sim {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::uint64_t kPlanning = 99;  // keeps these dice apart from the event maker's

// Cuts a moment to whole seconds or milliseconds, or gives it nanoseconds.
Timestamp with_precision(std::int64_t unix_ms, Dice& dice) {
  Timestamp time = from_unix_ms(unix_ms);
  switch (dice.below(4)) {
    case 0:
      time.nanos = 0;
      break;
    case 1:
      time.nanos += static_cast<std::uint32_t>(dice.below(1'000'000));
      break;
    default:
      break;
  }
  return time;
}

}  // namespace

Catalog::Catalog(const CatalogPlan& plan, const EventMaker& maker) : maker_(maker) {
  plan_all(plan);
  make_chunks(plan);
  std::sort(entries_.begin(), entries_.end(),
            [this](const Entry& left, const Entry& right) { return before(left, right); });
}

void Catalog::plan_all(const CatalogPlan& plan) {
  const auto real = static_cast<std::uint32_t>(maker_.real_audit().size());
  const std::uint32_t total =
      real > 0 ? real + plan.sessions : std::max(plan.events, plan.sessions);
  for (std::uint32_t number = 0; number < total; ++number) {
    entries_.push_back(planned_entry(plan, number, total));
    Entry& entry = entries_.back();
    // Uploads are spread evenly over made-up events, and follow real ones.
    const std::uint64_t uploads_before = std::uint64_t{number} * plan.sessions / total;
    const std::uint64_t uploads_behind = (std::uint64_t{number} + 1) * plan.sessions / total;
    const bool is_upload = real > 0 ? number >= real : uploads_behind > uploads_before;
    if (is_upload) add_session_locked(&entry, plan.events_per_session, entry.time);
  }
  next_number_ = total;
}

Entry Catalog::planned_entry(const CatalogPlan& plan, std::uint32_t number,
                             std::uint32_t total) const {
  Entry entry;
  entry.number = number;
  if (number < maker_.real_audit().size()) {
    entry.time = maker_.real_audit()[number].time;
    return entry;
  }
  // Of each twenty events, three share one time.
  const std::uint32_t timed_as =
      number % 20 == 1 || number % 20 == 2 ? number - number % 20 : number;
  const std::int64_t base_ms = to_unix_ms(plan.base);
  Dice dice{maker_.seed(), kPlanning, timed_as};
  if (plan.events_per_second > 0) {
    entry.time = with_precision(
        base_ms + static_cast<std::int64_t>(1000.0 * timed_as / plan.events_per_second), dice);
  } else {
    const std::int64_t behind_ms = kDayMs * plan.days * (total - timed_as) / total;
    entry.time = with_precision(base_ms - 1000 - behind_ms, dice);
  }
  return entry;
}

// Chunks follow the order of production, cut by day, by size, and with a rate also by time.
void Catalog::make_chunks(const CatalogPlan& plan) {
  const std::int64_t base_ms = to_unix_ms(plan.base);
  const bool live = plan.events_per_second > 0;
  const auto slot_of = [&](const Entry& entry) {
    return live ? (to_unix_ms(entry.time) - base_ms) / plan.chunk_interval_ms : 0;
  };
  std::map<std::pair<Day, std::int64_t>, std::vector<Entry>> open;
  const auto close = [&](std::int64_t slot, std::vector<Entry>& entries) {
    const std::int64_t end_ms = base_ms + (slot + 1) * plan.chunk_interval_ms;
    add_chunk(std::exchange(entries, {}), live ? from_unix_ms(end_ms) : Timestamp{});
  };
  for (const Entry& entry : entries_) {
    const std::int64_t slot = slot_of(entry);
    auto& entries = open[{day_of(entry.time), slot}];
    entries.push_back(entry);
    if (entries.size() == plan.chunk_events) close(slot, entries);
  }
  for (auto& [key, entries] : open) {
    if (!entries.empty()) close(key.second, entries);
  }
}

void Catalog::add_chunk(std::vector<Entry> entries, Timestamp visible_at) {
  const Day day = day_of(entries.front().time);
  std::string name = maker_.chunk_name(day, entries.front().number);
  auto chunk = std::make_shared<const Chunk>(Chunk{name, visible_at, std::move(entries)});
  chunks_[day].emplace(std::move(name), std::move(chunk));
}

void Catalog::add_session_locked(Entry* entry, std::uint32_t events, Timestamp available_at) {
  const auto real = static_cast<std::uint32_t>(maker_.real_recording().size());
  const auto number = static_cast<std::uint32_t>(sessions_.size());
  Session session{maker_.session_id(number), entry->time, available_at, number,
                  real > 0 ? real : events};
  entry->session = static_cast<std::int32_t>(number);
  session_by_sid_.emplace(session.sid, number);
  sessions_.push_back(std::move(session));
}

std::vector<std::string> Catalog::chunk_names(Day day, Timestamp now) const {
  const std::unique_lock lock(mutex_);
  const std::uint64_t listing = ++listings_;
  std::vector<std::string> names;
  const auto of_day = chunks_.find(day);
  if (of_day == chunks_.end()) return names;
  for (const auto& [name, chunk] : of_day->second) {
    if (chunk->visible_at <= now) names.push_back(name);
  }
  for (std::size_t i = names.size(); i > 1; --i) {
    std::swap(names[i - 1], names[Dice{listing, i}.below(i)]);
  }
  return names;
}

std::shared_ptr<const Chunk> Catalog::find_chunk(Day day, const std::string& name,
                                                 Timestamp now) const {
  const std::shared_lock lock(mutex_);
  const auto of_day = chunks_.find(day);
  if (of_day == chunks_.end()) return nullptr;
  const auto found = of_day->second.find(name);
  if (found == of_day->second.end() || found->second->visible_at > now) return nullptr;
  return found->second;
}

void Catalog::search(const Window& window, Timestamp now, const Visit& visit) const {
  const std::shared_lock lock(mutex_);
  const Timestamp to = std::min(window.to, now);
  auto first =
      std::lower_bound(entries_.begin(), entries_.end(), window.from,
                       [](const Entry& entry, Timestamp from) { return entry.time < from; });
  auto last = std::upper_bound(first, entries_.end(), to,
                               [](Timestamp end, const Entry& entry) { return end < entry.time; });
  if (window.after && window.ascending) {
    first = std::partition_point(
        first, last, [&](const Entry& entry) { return compare(entry, *window.after) <= 0; });
  } else if (window.after) {
    last = std::partition_point(
        first, last, [&](const Entry& entry) { return compare(entry, *window.after) < 0; });
  }
  if (window.ascending) {
    while (first != last && visit(*first, sid_of_locked(*first))) ++first;
  } else {
    while (first != last && visit(*(last - 1), sid_of_locked(*(last - 1)))) --last;
  }
}

std::optional<Session> Catalog::find_session(const std::string& sid, Timestamp now) const {
  const std::shared_lock lock(mutex_);
  const auto found = session_by_sid_.find(sid);
  if (found == session_by_sid_.end()) return std::nullopt;
  const Session& session = sessions_[found->second];
  return std::max(session.uploaded_at, session.available_at) <= now ? std::optional(session)
                                                                    : std::nullopt;
}

std::string Catalog::sid_of(const Entry& entry) const {
  const std::shared_lock lock(mutex_);
  return sid_of_locked(entry);
}

std::string Catalog::sid_of_locked(const Entry& entry) const {
  if (entry.session == Entry::kNoSession) return "";
  return sessions_[static_cast<std::size_t>(entry.session)].sid;
}

void Catalog::add_at(Timestamp time, std::uint32_t count, Timestamp now) {
  const std::unique_lock lock(mutex_);
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < count; ++i) {
    entries.push_back(Entry{.time = time, .number = next_number_++});
  }
  add_entries(std::move(entries), now);
}

void Catalog::add_late(Day day, std::uint32_t count, Timestamp now) {
  const std::unique_lock lock(mutex_);
  const std::int64_t start_ms = to_unix_ms(start_of_day(day));
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int64_t offset_ms = kDayMs * i / count;
    entries.push_back(Entry{.time = from_unix_ms(start_ms + offset_ms), .number = next_number_++});
  }
  add_entries(std::move(entries), now);
}

void Catalog::add_large(std::uint32_t bytes, Timestamp now) {
  const std::unique_lock lock(mutex_);
  add_entries({Entry{.time = now, .number = next_number_++, .more_bytes = bytes}}, now);
}

std::string Catalog::add_session(std::uint32_t events, Timestamp now, Timestamp available_at) {
  const std::unique_lock lock(mutex_);
  Entry entry{.time = now, .number = next_number_++};
  add_session_locked(&entry, events, available_at);
  add_entries({entry}, now);
  return sessions_.back().sid;
}

void Catalog::add_entries(std::vector<Entry> entries, Timestamp visible_at) {
  if (entries.empty()) return;
  const auto in_order = [this](const Entry& left, const Entry& right) {
    return before(left, right);
  };
  const auto middle = static_cast<std::ptrdiff_t>(entries_.size());
  entries_.insert(entries_.end(), entries.begin(), entries.end());
  std::sort(entries_.begin() + middle, entries_.end(), in_order);
  std::inplace_merge(entries_.begin(), entries_.begin() + middle, entries_.end(), in_order);
  add_chunk(std::move(entries), visible_at);
}

bool Catalog::before(const Entry& left, const Entry& right) const {
  if (left.time != right.time) return left.time < right.time;
  if (left.number == right.number) return false;
  return maker_.audit_id(left, sid_of_locked(left)) < maker_.audit_id(right, sid_of_locked(right));
}

int Catalog::compare(const Entry& entry, const Place& place) const {
  if (entry.time != place.time) return entry.time < place.time ? -1 : 1;
  return maker_.audit_id(entry, sid_of_locked(entry)).compare(place.id);
}

std::uint64_t Catalog::event_count() const {
  const std::shared_lock lock(mutex_);
  return entries_.size();
}

std::uint64_t Catalog::visible_count(Timestamp now) const {
  const std::shared_lock lock(mutex_);
  const auto end = std::upper_bound(entries_.begin(), entries_.end(), now,
                                    [](Timestamp t, const Entry& entry) { return t < entry.time; });
  return static_cast<std::uint64_t>(end - entries_.begin());
}

std::uint64_t Catalog::size_with_recording(const Entry& entry, Timestamp now) const {
  if (entry.session == Entry::kNoSession) return 1;
  const Session& session = sessions_[static_cast<std::size_t>(entry.session)];
  return session.available_at <= now ? 1 + std::uint64_t{session.events} : 1;
}

std::uint64_t Catalog::servable_count(bool by_chunks, Timestamp now) const {
  const std::shared_lock lock(mutex_);
  std::uint64_t count = 0;
  if (!by_chunks) {
    for (const Entry& entry : entries_) {
      if (now < entry.time) break;
      count += size_with_recording(entry, now);
    }
    return count;
  }
  for (const auto& [day, chunks] : chunks_) {
    for (const auto& [name, chunk] : chunks) {
      if (chunk->visible_at > now) continue;
      for (const Entry& entry : chunk->entries) count += size_with_recording(entry, now);
    }
  }
  return count;
}

}  // namespace sluice::teleport_sim
