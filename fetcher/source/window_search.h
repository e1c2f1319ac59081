// Reads audit events from clusters without bulk export, by searching one window of time after the
// other, page by page, oldest first.
//
// How windows follow each other:
// - The next window starts at the time of the newest received event that is not ahead of our clock,
//   minus the overlap, since events may be stored a little later than their time says; and not
//   later than it certainly was at Teleport when this window was opened, minus the overlap, since
//   what is stored while its pages are read may lie before the page that is being read. Nothing
//   else moves that start: not our clock, and not an event that is ahead of it, which is taken but
//   says nothing of what lies before it. Where our clock is behind Teleport's, the start follows
//   later, and until then the same events are read again once per poll interval.
// - A window that brought nothing newer is not closed: its start stays, and its end moves away,
//   doubling the window each time, until it reaches the present. So silence costs few calls, and
//   nothing that is stored late in it is missed.
// - The last window ends a day after the present, or after the latest event that was found there.
// It
//   is searched once per poll interval.
//
// A backfill ends with the window that reaches its span's end, which is searched again until it was
// certainly later at Teleport than that end plus the overlap.
//
// A page key is used for no other window than the one that gave it; one that Teleport does not take
// (any more) restarts its window. What comes again is recognised by its id, here or in the queue.
#ifndef SLUICE_FETCHER_SOURCE_WINDOW_SEARCH_H_
#define SLUICE_FETCHER_SOURCE_WINDOW_SEARCH_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/backoff.h"
#include "common/error.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "fetcher/ingest/item.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/audit_source.h"
#include "fetcher/source/backfill_span.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/recent_ids.h"
#include "fetcher/source/search_state.h"
#include "fetcher/source/teleport_clock.h"
#include "fetcher/transcode/event.h"

namespace sluice::fetcher {

struct WindowSearchOptions {
  std::vector<std::string> types;
  std::uint32_t page_size = 1000;
  std::chrono::milliseconds window_size{24 * 3'600'000};
  std::chrono::milliseconds overlap{120'000};
  std::chrono::milliseconds poll_interval{5'000};
  std::chrono::milliseconds backoff_min{1'000};
  std::chrono::milliseconds backoff_max{60'000};
  // For how many days before its place ids are kept: a bulk export that takes over lists these
  // again.
  std::uint32_t late_days = 2;
  // How often to ask whether Teleport has a bulk export by now.
  std::chrono::milliseconds probe_interval{600'000};
  std::optional<queue::ReadUpTo> read_up_to;  // as it was last saved
  std::optional<BackfillSpan> backfill;       // nothing: the present, without an end
  // What to change besides with the first mark: the bulk export's state to erase.
  std::vector<StateChange> takeover;
};

class WindowSearch final : public AuditSource {
 public:
  // `saved`: where to go on; its `from` is the start time at first. The others must outlive it.
  WindowSearch(WindowSearchOptions options, SearchState saved, EventApi* api, LaneBuffers* buffers,
               const Clock& clock, TeleportClock* teleport_clock);

  SourceEnd run(std::stop_token stop) override;
  bool idle() const override { return idle_; }

 private:
  bool has_bulk_export(const std::stop_token& stop);
  Result<void> search_window(const std::stop_token& stop);
  Result<SearchPage> fetch_page(const std::stop_token& stop);
  Result<void> push_events(const SearchPage& page, const std::stop_token& stop);
  Result<void> save(const std::stop_token& stop);
  std::optional<Timestamp> opened_at() const;
  void note_read_up_to();
  bool is_done() const;
  bool is_wanted(Timestamp time) const {
    return !options_.backfill || options_.backfill->range.contains(time);
  }
  void open_window();
  void extend_to_tail(Timestamp now, Timestamp grown);
  void close_window();

  WindowSearchOptions options_;
  SearchState state_;
  EventApi& api_;
  LaneBuffers& buffers_;
  const Clock& clock_;
  EventDecoder decoder_;
  RecentIds recent_;
  std::uint32_t page_size_;  // less while pages are too large
  TeleportClock& teleport_clock_;
  RepeatedMessage trouble_;
  std::chrono::milliseconds next_probe_{};  // by the monotonic clock
  RepeatedMessage key_trouble_;
  int key_failures_ = 0;  // in a row, with a page key
  std::atomic<bool> idle_ = false;

  std::string types_;  // options_.types as the state has them
  std::string saved_;  // the state as last pushed
  std::optional<queue::ReadUpTo> read_up_to_;
  std::optional<queue::ReadUpTo> saved_read_up_to_;
  std::optional<Day> ids_needed_from_;  // as last pushed
  // When the window's first page was asked for; nothing: by an earlier run.
  std::optional<TeleportClock::Moment> opened_;
  bool tail_ = false;                     // the window reaches the present
  bool may_grow_ = false;                 // the tail ends before what our clock cannot know
  std::uint32_t doublings_ = 0;           // of the window's size, since its start moved
  std::size_t new_ids_ = 0;               // received in the window
  std::optional<Timestamp> latest_;       // received in any window, before the end of it
  std::optional<Timestamp> latest_open_;  // as the window was opened
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_WINDOW_SEARCH_H_
