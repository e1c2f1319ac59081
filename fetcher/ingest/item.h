// What travels from the sources to the queue: an event, a reject, or a mark, together with the
// source's state that holds once it is durable.
//
// Cursors go through the same buffers as the events that they cover and in the same order, so that
// no cursor can reach the disk before its event. Values own everything.
#ifndef SLUICE_FETCHER_INGEST_ITEM_H_
#define SLUICE_FETCHER_INGEST_ITEM_H_

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/time.h"
#include "fetcher/transcode/event.h"
#include "queue/read_up_to.h"
#include "queue/types.h"

namespace sluice::fetcher {

// A change of the fetcher's own state in the queue. Without a value the key is erased.
struct StateChange {
  std::string key;
  std::optional<std::string> value;
};

// Stands where a source has something to say without an event: the end of a chunk, a given-up
// recording.
struct Mark {};

struct Item {
  queue::Lane lane = queue::Lane::kAudit;
  std::variant<Mark, Event, Reject> content;
  std::string route;                     // the recording's session id in the session lane
  std::optional<StateChange> cursor;     // where this source goes on behind this item
  std::vector<StateChange> also;         // further changes, of marks
  std::optional<Day> forget_ids_before;  // no source will serve a day before this one again
  std::optional<queue::ReadUpTo> read_up_to;
  bool is_backfill = false;  // of a span that was asked for, whatever the start time

  // What it takes in a buffer, about.
  std::size_t bytes() const;
};

Item item_of(queue::Lane lane, std::expected<Event, Reject> decoded);

// A mark with one change of state.
Item mark_of(queue::Lane lane, std::string key, std::optional<std::string> value);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_INGEST_ITEM_H_
