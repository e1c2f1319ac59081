#include "fetcher/source/bulk_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/transcode/sha256_hex.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

// Chunks that were listed but not yet read: beyond this, the next day is not listed yet.
constexpr std::size_t kReadyMax = 5'000;
// How often waiting threads look at the clock.
constexpr milliseconds kTick{100};

// Where to begin. Days are compared with days: a start time in the middle of its day must not make
// that day's saved state look older than the start.
//
// A saved first day in the future comes from a clock that was wrong, then or now. If it is the one
// of then, nothing would be listed for as long as it was ahead. What Teleport has shown tells them
// apart: chunks from that day on are there if it is right.
Day first_day_of(const BulkExportOptions& options, const BulkState& saved, Day today) {
  const Day start = day_of(options.start_time);
  const Day first = std::max(start, saved.first_day.value_or(INT32_MIN));
  const bool shown = !saved.days.empty() && saved.days.rbegin()->first >= first;
  if (first == start || first <= today + 1 || shown) return first;
  const Day back = std::max(start, today - static_cast<Day>(options.late_days));
  log_message(
      message::kFirstDayInFuture, {},
      "the saved first day of the bulk export, {}, is in the future (today is {}): the clock was "
      "wrong when it was saved, or is now. Days are listed from {} on instead; events that are in "
      "the queue already may come twice. Check the clock, and whether earlier days are missing",
      format_day(first), format_day(today), format_day(back));
  return back;
}

}  // namespace

BulkExport::BulkExport(BulkExportOptions options, BulkState saved, EventApi* api,
                       LaneBuffers* buffers, const Clock& clock, TeleportClock* teleport_clock)
    : options_(std::move(options)),
      api_(*api),
      buffers_(*buffers),
      clock_(clock),
      listing_backoff_(options_.backoff_min, options_.backoff_max),
      listing_trouble_(message::kListingFails, "cannot list Teleport's event chunks", clock),
      reading_trouble_(message::kReadingFails, "cannot read an event chunk", clock),
      first_day_(first_day_of(options_, saved, today())),
      last_day_(options_.backfill ? options_.backfill->last_day() : INT32_MAX),
      read_up_to_(options_.read_up_to),
      teleport_clock_(*teleport_clock) {
  if (!saved.days.empty()) newest_chunk_day_ = saved.days.rbegin()->first;
  for (const Day day : saved.closed) {
    if (day >= first_day_) days_[day].closed = true;
  }
  for (auto& [day, chunks] : saved.days) {
    if (day < first_day_) continue;
    for (auto& [name, progress] : chunks) {
      Chunk chunk{.finished = progress.finished,
                  .cursor = std::move(progress.cursor),
                  .found_in = 0,
                  .due = {},
                  .backoff = Backoff(options_.backoff_min, options_.backoff_max)};
      if (!chunk.finished) {
        ++days_[day].unfinished;
        rounds_.add_unread(day, chunk.found_in);
        ready_.emplace(day, name);
      }
      days_[day].chunks.emplace(name, std::move(chunk));
    }
  }
}

SourceEnd BulkExport::run(std::stop_token stop) {
  if (!begin(stop)) return SourceEnd::kStopped;
  // Workers end when the caller stops this, and when it ends by itself.
  std::stop_source ending;
  const std::stop_callback pass_on(stop, [&ending] { ending.request_stop(); });
  std::vector<std::jthread> workers;
  for (std::uint32_t i = 0; i < std::max(options_.concurrency, 1U); ++i) {
    workers.emplace_back([this, token = ending.get_token()] { work(token); });
  }
  look_how_far_teleport_is(stop);
  while (!stop.stop_requested() && !not_supported_ && !is_done()) {
    list_all_days(stop);
    if (not_supported_ || is_done()) break;
    sleep_for(stop, options_.poll_interval);
    // Its own days do not show it.
    if (options_.backfill) look_how_far_teleport_is(stop);
  }
  ending.request_stop();
  if (is_done()) return SourceEnd::kFinished;
  if (!not_supported_) return SourceEnd::kStopped;
  log_message(message::kBulkExportGone, {},
              "Teleport no longer has its bulk export; looking again at what it has");
  return SourceEnd::kChooseAgain;
}

// Saves the first day at once, so that the choice of this source survives a restart.
bool BulkExport::begin(const std::stop_token& stop) {
  Item mark = mark_of(queue::Lane::kAudit, state_key(options_.backfill, kBulkFirstDayKey),
                      format_day(first_day_));
  mark.also = options_.takeover;
  return buffers_.push(std::move(mark), stop);
}

// Listing the days from the first one on shows last how far Teleport is, so that all of them would
// have to be listed twice before one is closed. This asks for it beforehand; a failure shows again
// in the listing itself.
void BulkExport::look_how_far_teleport_is(const std::stop_token& stop) {
  const Day day = today();
  const auto names = api_.list_chunks(day, stop);
  if (names && !names->empty()) newest_chunk_day_ = std::max(newest_chunk_day_, day);
}

void BulkExport::list_all_days(const std::stop_token& stop) {
  Round round;
  {
    const std::lock_guard lock(mutex_);
    rounds_.begin(teleport_clock_.moment());
  }
  // Closing may overtake the listing.
  for (Day day = first_day_; day <= std::min(today(), last_day_);
       day = std::max(day + 1, first_day_)) {
    if (!must_list(day, stop)) continue;
    if (!list_day(day, stop, &round)) return;
    close_days(stop);
  }
  close_days(stop);
  if (!round.failed) listing_trouble_.succeeded();
  note_read_up_to(stop);
  update_idle(round);
}

void BulkExport::note_read_up_to(const std::stop_token& stop) {
  queue::ReadUpTo reached{.time_ms = 0, .looked_at_ms = to_unix_ms(clock_.now())};
  {
    const std::lock_guard lock(mutex_);
    rounds_.end();
    const auto time_ms = rounds_.read_up_to_ms(teleport_clock_, options_.export_delay);
    if (!time_ms) return;
    reached.time_ms = *time_ms;
  }
  if (options_.backfill || !queue::is_worth_saving(reached, read_up_to_)) return;
  read_up_to_ = reached;
  push_read_up_to(stop);
}

// A chunk has turned up in a day that was taken for complete: until it is read, that day is not.
void BulkExport::take_back_read_up_to(Day day, const std::stop_token& stop) {
  const std::int64_t start_ms = to_unix_ms(start_of_day(day));
  if (!read_up_to_ || day >= day_of(from_unix_ms(read_up_to_->time_ms))) return;
  {
    const std::lock_guard lock(mutex_);
    rounds_.disbelieve_ended();
  }
  read_up_to_->time_ms = start_ms;
  push_read_up_to(stop);
}

void BulkExport::push_read_up_to(const std::stop_token& stop) {
  Item mark;
  mark.read_up_to = read_up_to_;
  buffers_.push(std::move(mark), stop);
}

// Waits for room for more chunks, if so.
bool BulkExport::must_list(Day day, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const DayState& state = days_[day];
  if (!has_missing_unlocked(day)) {
    if (is_final(day, state)) return false;
    const bool quiet = state.listed_on && is_past(day, *state.listed_on) && is_past(day, today()) &&
                       !is_past(day, newest_chunk_day_);
    if (quiet && clock_.monotonic() - state.listed_at < kQuietInterval) return false;
  }
  changed_.wait(lock, stop, [this] { return ready_.size() < kReadyMax; });
  return true;
}

bool BulkExport::has_missing_unlocked(Day day) const {
  const auto found = missing_.lower_bound(ChunkName(day, std::string()));
  return found != missing_.end() && found->first.first == day;
}

// A chunk is missed by listings that were asked for after it was not found.
void BulkExport::note_missing_unlocked(Day day, const DayState& listing,
                                       const std::vector<std::string>& names) {
  for (auto it = missing_.lower_bound(ChunkName(day, std::string()));
       it != missing_.end() && it->first.first == day; ++it) {
    if (listing.listed_at < it->second.since) continue;
    it->second.listed = std::find(names.begin(), names.end(), it->first.second) != names.end();
  }
}

// Whether no chunk of `day` is expected any more when it is `now`.
bool BulkExport::is_past(Day day, Day now) const {
  return now > day + static_cast<Day>(options_.late_days);
}

bool BulkExport::is_final(Day day, const DayState& state) const {
  if (state.closed) return true;
  return state.listed_on && is_past(day, *state.listed_on) && is_past(day, state.newest_chunk_then);
}

// False: asked to stop, or not supported. After a failure it waits, with growing waits while all
// fail, so that an outage does not become a storm of calls.
bool BulkExport::list_day(Day day, const std::stop_token& stop, Round* round) {
  DayState listing;
  listing.listed_on = today();
  listing.newest_chunk_then = newest_chunk_day_;
  listing.listed_at = clock_.monotonic();
  const auto names = api_.list_chunks(day, stop);
  if (names) {
    listing_backoff_.reset();
    if (add_chunks(day, listing, *names)) {
      round->found_new = true;
      take_back_read_up_to(day, stop);
    }
    return !stop.stop_requested() && !not_supported_;
  }
  if (names.error().kind == ErrorKind::kStopped) return false;
  if (names.error().kind == ErrorKind::kUnimplemented) {
    not_supported_ = true;
    return false;
  }
  round->failed = true;
  {
    const std::lock_guard lock(mutex_);
    rounds_.note_failure(day);
  }
  idle_ = false;
  listing_trouble_.failed(names.error().message);
  return sleep_for(stop, listing_backoff_.next()) && !not_supported_;
}

// Takes up the chunks that are new. Whether there were any.
bool BulkExport::add_chunks(Day day, const DayState& listing,
                            const std::vector<std::string>& names) {
  if (!names.empty()) newest_chunk_day_ = std::max(newest_chunk_day_, day);
  const std::lock_guard lock(mutex_);
  DayState& state = days_[day];
  state.listed_on = listing.listed_on;
  state.newest_chunk_then = listing.newest_chunk_then;
  state.listed_at = listing.listed_at;
  note_missing_unlocked(day, listing, names);
  bool found_new = false;
  for (const std::string& name : names) {
    Chunk chunk{.finished = false,
                .cursor = {},
                .found_in = rounds_.number(),
                .due = {},
                .backoff = Backoff(options_.backoff_min, options_.backoff_max)};
    if (!state.chunks.emplace(name, std::move(chunk)).second) continue;
    ++state.unfinished;
    rounds_.add_unread(day, rounds_.number());
    ready_.emplace(day, name);
    found_new = true;
  }
  if (found_new) idle_ = false;
  changed_.notify_all();
  return found_new;
}

void BulkExport::close_days(const std::stop_token& stop) {
  while (close_first_day(stop)) {
  }
}

bool BulkExport::close_first_day(const std::stop_token& stop) {
  Item mark = mark_of(queue::Lane::kAudit, state_key(options_.backfill, kBulkFirstDayKey),
                      format_day(first_day_ + 1));
  {
    const std::lock_guard lock(mutex_);
    const auto found = days_.find(first_day_);
    if (found == days_.end() || found->second.unfinished > 0) return false;
    if (!is_final(first_day_, found->second)) return false;
    if (found->second.closed) {
      mark.also.push_back(
          StateChange{state_key(options_.backfill, closed_day_key(first_day_)), std::nullopt});
    }
    for (const auto& [name, chunk] : found->second.chunks) {
      mark.also.push_back(
          StateChange{state_key(options_.backfill, chunk_key(first_day_, name)), std::nullopt});
    }
  }
  // A day more than needed while an event's own day is that of its chunk (bulk_export.h).
  if (!options_.backfill) mark.forget_ids_before = first_day_ - 1;
  if (!buffers_.push(std::move(mark), stop)) return false;
  const std::lock_guard lock(mutex_);
  days_.erase(first_day_);
  ++first_day_;
  return true;
}

void BulkExport::update_idle(const Round& round) {
  const std::lock_guard lock(mutex_);
  const bool all_read = std::all_of(days_.begin(), days_.end(),
                                    [](const auto& day) { return day.second.unfinished == 0; });
  idle_ = all_read && !round.found_new && !round.failed;
}

void BulkExport::work(const std::stop_token& stop) {
  EventDecoder decoder;
  while (const auto name = next_chunk(stop)) {
    const auto read = read_chunk(*name, &decoder, stop);
    if (read) {
      reading_trouble_.succeeded();
      finish(*name);
    } else if (read.error().kind != ErrorKind::kStopped) {
      failed(*name, read.error(), stop);
    }
  }
}

// Waits for a chunk to read; nothing when asked to stop.
std::optional<BulkExport::ChunkName> BulkExport::next_chunk(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto name = due_chunk_unlocked()) return name;
    if (waiting_.empty()) {
      changed_.wait(lock, stop, [this] { return !ready_.empty() || !waiting_.empty(); });
    } else {
      changed_.wait_for(lock, stop, kTick, [this] { return !ready_.empty(); });
    }
  }
  return std::nullopt;
}

std::optional<BulkExport::ChunkName> BulkExport::due_chunk_unlocked() {
  const milliseconds now = clock_.monotonic();
  std::erase_if(waiting_, [&](const ChunkName& name) {
    if (chunk_unlocked(name).due > now) return false;
    ready_.insert(name);
    return true;
  });
  if (ready_.empty()) return std::nullopt;
  auto node = ready_.extract(ready_.begin());
  changed_.notify_all();  // The listing may wait for room.
  return std::move(node.value());
}

BulkExport::Chunk& BulkExport::chunk_unlocked(const ChunkName& name) {
  return days_[name.first].chunks.at(name.second);
}

Result<void> BulkExport::read_chunk(const ChunkName& name, EventDecoder* decoder,
                                    const std::stop_token& stop) {
  const auto& [day, chunk_name] = name;
  Chunk* chunk = nullptr;
  {
    // A day with an unread chunk is not closed, and map nodes stay where they are: the chunk's
    // fields are this worker's alone until it is finished or put back.
    const std::lock_guard lock(mutex_);
    chunk = &chunk_unlocked(name);
  }
  const std::string key = state_key(options_.backfill, chunk_key(day, chunk_name));
  const auto stream = api_.export_chunk(day, chunk_name, chunk->cursor, stop);
  bool first = true;
  while (true) {
    SLUICE_ASSIGN(const auto received, stream->next());
    if (std::exchange(first, false)) is_there(name);
    if (!received) break;
    Item item = item_from(*received, day, decoder);
    item.cursor = StateChange{key, encode_chunk_cursor(received->cursor)};
    std::string cursor(received->cursor);
    if (!buffers_.push(std::move(item), stop)) return fail(ErrorKind::kStopped, "asked to stop");
    chunk->cursor = std::move(cursor);
    chunk->backoff.reset();
  }
  if (!buffers_.push(mark_of(queue::Lane::kAudit, key, std::string(kChunkDone)), stop)) {
    return fail(ErrorKind::kStopped, "asked to stop");
  }
  return {};
}

// A chunk's day may be wanted in part only: what is not becomes a mark with its cursor.
Item BulkExport::item_from(const ExportItem& received, Day day, EventDecoder* decoder) {
  Item item = item_of(queue::Lane::kAudit, decoder->decode(received.event));
  item.is_backfill = options_.backfill.has_value();
  Timestamp time;
  if (auto* reject = std::get_if<Reject>(&item.content)) {
    // Not before the start time: what is only a guess must not have it left out.
    if (reject->time == Timestamp{}) {
      reject->time = std::max(start_of_day(day), options_.start_time);
    }
    time = reject->time;
  } else {
    time = std::get<Event>(item.content).time;
    teleport_clock_.saw(time);
  }
  if (options_.backfill && !options_.backfill->range.contains(time)) item.content = Mark{};
  return item;
}

void BulkExport::finish(const ChunkName& name) {
  const std::lock_guard lock(mutex_);
  Chunk& chunk = chunk_unlocked(name);
  chunk.finished = true;
  rounds_.remove_unread(name.first, chunk.found_in);
  --days_[name.first].unfinished;
  missing_.erase(name);
  changed_.notify_all();
}

void BulkExport::failed(const ChunkName& name, const Error& error, const std::stop_token& stop) {
  if (error.kind == ErrorKind::kUnimplemented) {
    not_supported_ = true;
    return;
  }
  if (error.kind == ErrorKind::kTooLarge) return give_up_too_large(name, error, stop);
  reading_trouble_.failed(error.message);
  bool lost = false;
  {
    const std::lock_guard lock(mutex_);
    Chunk& chunk = chunk_unlocked(name);
    lost = error.kind == ErrorKind::kNotFound && is_lost_unlocked(name);
    if (!lost) {
      // A cursor that Teleport does not take: read the chunk again, what is there already is known
      // by its ids.
      if (error.kind == ErrorKind::kRejected) chunk.cursor.clear();
      chunk.due = clock_.monotonic() + chunk.backoff.next();
      waiting_.insert(name);
      changed_.notify_all();
    }
  }
  if (lost) give_up(name, error, stop);
}

// Counts a try that did not find the chunk. Whether it is to be given up.
bool BulkExport::is_lost_unlocked(const ChunkName& name) {
  const milliseconds now = clock_.monotonic();
  Missing& missing = missing_.try_emplace(name, Missing{.since = now}).first->second;
  if (++missing.tries < kNotFoundMax) return false;
  return !missing.listed || now - missing.since >= kNotFoundPatience;
}

void BulkExport::is_there(const ChunkName& name) {
  const std::lock_guard lock(mutex_);
  missing_.erase(name);
}

void BulkExport::give_up(const ChunkName& name, const Error& error, const std::stop_token& stop) {
  bool listed = false;
  {
    const std::lock_guard lock(mutex_);
    listed = missing_.at(name).listed;
  }
  log_message(message::kChunkLost, {.lane = "audit"},
              "the events of chunk {} of {} that were not fetched yet are lost: Teleport {}: {}",
              name.second, format_day(name.first),
              listed ? "has listed it all the time, but not had it for " +
                           format_duration(kNotFoundPatience)
                     : "no longer has it",
              error.message);
  const std::string key = state_key(options_.backfill, chunk_key(name.first, name.second));
  if (buffers_.push(mark_of(queue::Lane::kAudit, key, std::string(kChunkLost)), stop)) finish(name);
}

// Its cursor is in the message that cannot be received, so nothing behind it can be asked for.
void BulkExport::give_up_too_large(const ChunkName& name, const Error& error,
                                   const std::stop_token& stop) {
  const std::string chunk = fmt::format("{}/{}", format_day(name.first), name.second);
  Reject reject;
  reject.id = sha256_hex(chunk);
  reject.time = std::max(start_of_day(name.first), options_.start_time);
  reject.reason =
      fmt::format("the rest of chunk {}, from an event on that is too large to be received: {}",
                  chunk, error.message);
  log_message(message::kEventLost, {.lane = "audit", .event_id = reject.id},
              "an event is lost, and those behind it: {}", reject.reason);
  Item item;
  item.is_backfill = options_.backfill.has_value();
  item.content = std::move(reject);
  item.cursor = StateChange{state_key(options_.backfill, chunk_key(name.first, name.second)),
                            std::string(kChunkLost)};
  if (buffers_.push(std::move(item), stop)) finish(name);
}

}  // namespace sluice::fetcher
