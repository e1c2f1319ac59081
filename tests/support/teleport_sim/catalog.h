// Which events exist, in which chunk and recording each is, and from when on it can be seen.
//
// An event can be seen once its time has come, a chunk once the span of time that it covers is
// over; after that it never changes. So a simulator that is started again with the same base time
// and seed serves the same chunks. Thread-safe.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CATALOG_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CATALOG_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/support/teleport_sim/event.h"
#include "tests/support/teleport_sim/event_maker.h"

namespace sluice::teleport_sim {

// When a recording that never comes can be had.
inline constexpr Timestamp kNever{std::numeric_limits<std::int64_t>::max(), 0};

struct CatalogPlan {
  std::uint32_t events = 1000;
  std::uint32_t days = 3;
  std::uint32_t sessions = 0;
  std::uint32_t events_per_session = 0;
  std::uint32_t chunk_events = 1000;
  // Above 0: events appear at this rate from `base` on, instead of all lying before it.
  double events_per_second = 0;
  std::int64_t chunk_interval_ms = 2000;  // how often a rate makes a new chunk
  Timestamp base;
};

struct Chunk {
  std::string name;
  Timestamp visible_at;
  std::vector<Entry> entries;
};

// A place in the order (time, id).
struct Place {
  Timestamp time;
  std::string id;
};

struct Window {
  Timestamp from;
  Timestamp to;  // inclusive
  bool ascending = true;
  std::optional<Place> after;  // start strictly behind it, in the direction of the search
};

class Catalog {
 public:
  Catalog(const CatalogPlan& plan, const EventMaker& maker);

  // In an order that changes from call to call.
  std::vector<std::string> chunk_names(Day day, Timestamp now) const;
  // Nothing when there is no such chunk (yet).
  std::shared_ptr<const Chunk> find_chunk(Day day, const std::string& name, Timestamp now) const;

  // Calls `visit` with one entry (and the session id that belongs to it, or "") after the other
  // until it returns false or the window ends. `visit` must not call the catalogue.
  using Visit = std::function<bool(const Entry& entry, const std::string& sid)>;
  void search(const Window& window, Timestamp now, const Visit& visit) const;

  std::optional<Session> find_session(const std::string& sid, Timestamp now) const;
  // The session id that belongs to an entry, or "".
  std::string sid_of(const Entry& entry) const;

  // New events, in a chunk of their own that can be seen from `now` on: all of one time, spread
  // over a past day, or one that announces a new session, whose id is returned.
  void add_at(Timestamp time, std::uint32_t count, Timestamp now);
  void add_late(Day day, std::uint32_t count, Timestamp now);
  void add_large(std::uint32_t bytes, Timestamp now);
  std::string add_session(std::uint32_t events, Timestamp now, Timestamp available_at);

  std::uint64_t event_count() const;
  std::uint64_t visible_count(Timestamp now) const;
  // How many events can be had in all, recordings included: those of the chunks that can be seen,
  // or those that a search finds.
  std::uint64_t servable_count(bool by_chunks, Timestamp now) const;

 private:
  void plan_all(const CatalogPlan& plan);
  Entry planned_entry(const CatalogPlan& plan, std::uint32_t number, std::uint32_t total) const;
  void make_chunks(const CatalogPlan& plan);
  void add_session_locked(Entry* entry, std::uint32_t events, Timestamp available_at);
  // The entry and, if it announces one that can be had, the events of its recording.
  std::uint64_t size_with_recording(const Entry& entry, Timestamp now) const;
  void add_entries(std::vector<Entry> entries, Timestamp visible_at);
  std::string sid_of_locked(const Entry& entry) const;
  bool before(const Entry& left, const Entry& right) const;
  // Whether (entry.time, id) is above the place (+1), at it (0), or below (-1).
  int compare(const Entry& entry, const Place& place) const;
  void add_chunk(std::vector<Entry> entries, Timestamp visible_at);

  const EventMaker& maker_;
  mutable std::shared_mutex mutex_;
  std::uint32_t next_number_ = 0;
  std::vector<Entry> entries_;  // sorted by (time, id)
  std::vector<Session> sessions_;
  std::unordered_map<std::string, std::uint32_t> session_by_sid_;
  std::map<Day, std::map<std::string, std::shared_ptr<const Chunk>>> chunks_;
  mutable std::uint64_t listings_ = 0;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CATALOG_H_
