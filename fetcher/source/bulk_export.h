// Reads audit events chunk by chunk from Teleport's bulk export.
//
// Each UTC day has chunks: immutable once listed, listed in no order, some of them late. All days
// from the first one on are listed at every poll until their listing is final, and several chunks
// are read at once. A chunk's cursor travels with its events; a chunk that was read to its end is
// marked as done. A day whose listing is final and whose chunks are all done is closed: its state
// goes, and the ids of days before it are forgotten.
//
// A listing is final if, before it was asked for, more than `late_days` had passed since the end of
// its day: by our clock, and by the newest day of which Teleport had shown a chunk. A clock that
// is ahead therefore closes nothing. While a cluster is quiet its last days stay open; those that
// are old by our clock are then listed again each kQuietInterval only.
//
// An event's own UTC day is that of its chunk: Teleport on Athena files each event by its time
// (lib/events/athena/consumer.go, writeToS3), and so "read up to", and where a span ends, go by the
// days of the chunks. Where it costs only a comparison of ids nothing relies on it.
//
// A day whose listing fails is listed again with the next poll, and the days after it meanwhile.
// A chunk that fails is tried again later, with growing waits, while others are read. One that
// Teleport does not have (NotFound) is given up, with an error in the log, after kNotFoundMax tries
// if a later listing no longer has it either, and after kNotFoundPatience if it is listed still.
// An event that cannot be decoded becomes a reject, so no event can hold up its chunk.
#ifndef SLUICE_FETCHER_SOURCE_BULK_EXPORT_H_
#define SLUICE_FETCHER_SOURCE_BULK_EXPORT_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "common/backoff.h"
#include "common/error.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "fetcher/ingest/item.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/audit_source.h"
#include "fetcher/source/backfill_span.h"
#include "fetcher/source/bulk_state.h"
#include "fetcher/source/event_api.h"
#include "fetcher/source/listing_rounds.h"
#include "fetcher/source/teleport_clock.h"
#include "fetcher/transcode/event.h"

namespace sluice::fetcher {

struct BulkExportOptions {
  Timestamp start_time;
  std::uint32_t concurrency = 5;  // chunks read at once
  std::uint32_t late_days = 2;
  // What Teleport needs at most to put an event into a chunk.
  std::chrono::milliseconds export_delay{300'000};
  std::chrono::milliseconds poll_interval{5'000};
  std::chrono::milliseconds backoff_min{1'000};
  std::chrono::milliseconds backoff_max{60'000};
  std::optional<queue::ReadUpTo> read_up_to;  // as it was last saved
  std::optional<BackfillSpan> backfill;       // nothing: the present, without an end
  // A first mark: what to erase of the window search's state when the bulk export takes over.
  std::vector<StateChange> takeover;
};

class BulkExport final : public AuditSource {
 public:
  static constexpr std::uint32_t kNotFoundMax = 8;
  static constexpr std::chrono::milliseconds kNotFoundPatience{24 * 3'600'000};
  static constexpr std::chrono::milliseconds kQuietInterval{60'000};

  // All that is given by reference must outlive it.
  BulkExport(BulkExportOptions options, BulkState saved, EventApi* api, LaneBuffers* buffers,
             const Clock& clock, TeleportClock* teleport_clock);

  SourceEnd run(std::stop_token stop) override;
  bool idle() const override { return idle_; }

 private:
  using ChunkName = std::pair<Day, std::string>;

  struct Chunk {
    bool finished = false;
    std::string cursor;
    ListingRounds::Number found_in = 0;
    std::chrono::milliseconds due{};  // by the monotonic clock; of waiting chunks
    Backoff backoff;
  };
  // A chunk that Teleport has listed and then said not to have.
  struct Missing {
    std::chrono::milliseconds since{};  // by the monotonic clock
    std::uint32_t tries = 0;
    bool listed = true;  // by the last listing after `since`
  };
  struct DayState {
    std::map<std::string, Chunk> chunks;
    std::size_t unfinished = 0;
    bool closed = false;  // by teleport-event-handler: nothing of it is wanted
    // Of the last listing that succeeded, as it was before the call. Nothing: not listed yet.
    std::optional<Day> listed_on;           // by our clock
    Day newest_chunk_then = INT32_MIN;      // the newest day that had a chunk
    std::chrono::milliseconds listed_at{};  // by the monotonic clock
  };

  // What one way through the days has met.
  struct Round {
    bool found_new = false;
    bool failed = false;
  };

  // The listing side, on run()'s thread.
  bool begin(const std::stop_token& stop);
  bool is_done() const { return first_day_ > last_day_; }
  void list_all_days(const std::stop_token& stop);
  bool list_day(Day day, const std::stop_token& stop, Round* round);
  void look_how_far_teleport_is(const std::stop_token& stop);
  bool must_list(Day day, const std::stop_token& stop);
  bool is_past(Day day, Day now) const;
  bool has_missing_unlocked(Day day) const;
  void note_missing_unlocked(Day day, const DayState& listing,
                             const std::vector<std::string>& names);
  bool is_final(Day day, const DayState& state) const;
  bool add_chunks(Day day, const DayState& listing, const std::vector<std::string>& names);
  void close_days(const std::stop_token& stop);
  bool close_first_day(const std::stop_token& stop);
  void update_idle(const Round& round);
  void note_read_up_to(const std::stop_token& stop);
  void take_back_read_up_to(Day day, const std::stop_token& stop);
  void push_read_up_to(const std::stop_token& stop);
  Day today() const { return day_of(clock_.now()); }

  // The reading side, on the workers' threads.
  void work(const std::stop_token& stop);
  std::optional<ChunkName> next_chunk(const std::stop_token& stop);
  std::optional<ChunkName> due_chunk_unlocked();
  Result<void> read_chunk(const ChunkName& name, EventDecoder* decoder,
                          const std::stop_token& stop);
  void failed(const ChunkName& name, const Error& error, const std::stop_token& stop);
  bool is_lost_unlocked(const ChunkName& name);
  void is_there(const ChunkName& name);
  void give_up(const ChunkName& name, const Error& error, const std::stop_token& stop);
  void give_up_too_large(const ChunkName& name, const Error& error, const std::stop_token& stop);
  void finish(const ChunkName& name);
  Chunk& chunk_unlocked(const ChunkName& name);
  Item item_from(const ExportItem& received, Day day, EventDecoder* decoder);

  const BulkExportOptions options_;
  EventApi& api_;
  LaneBuffers& buffers_;
  const Clock& clock_;
  std::atomic<bool> idle_ = false;
  std::atomic<bool> not_supported_ = false;
  Backoff listing_backoff_;
  RepeatedMessage listing_trouble_;
  RepeatedMessage reading_trouble_;

  std::mutex mutex_;
  std::condition_variable_any changed_;  // chunks to read, or one finished
  Day first_day_;                        // changed by run()'s thread only
  const Day last_day_;
  Day newest_chunk_day_ = INT32_MIN;           // that Teleport has shown; of run()'s thread
  std::optional<queue::ReadUpTo> read_up_to_;  // of run()'s thread
  TeleportClock& teleport_clock_;
  std::map<Day, DayState> days_;
  std::set<ChunkName> ready_;    // oldest day first
  std::set<ChunkName> waiting_;  // failed ones, until they are due
  std::map<ChunkName, Missing> missing_;
  ListingRounds rounds_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_BULK_EXPORT_H_
