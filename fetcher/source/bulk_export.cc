#include "fetcher/source/bulk_export.h"

#include <algorithm>
#include <thread>

#include "common/log.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;

// Chunks that were listed but not yet read: beyond this, the next day is not listed yet.
constexpr std::size_t kReadyMax = 5'000;
// How often waiting threads look at the clock.
constexpr milliseconds kTick{100};

}  // namespace

BulkExport::BulkExport(BulkExportOptions options, BulkState saved, EventApi* api,
                       LaneBuffers* buffers, const Clock& clock)
    : options_(std::move(options)),
      api_(*api),
      buffers_(*buffers),
      clock_(clock),
      listing_trouble_("cannot list Teleport's event chunks", LogLevel::kWarn, clock),
      reading_trouble_("cannot read an event chunk", LogLevel::kWarn, clock),
      // Days are compared with days: a start time in the middle of its day must not make that day's
      // saved state look older than the start.
      first_day_(std::max(day_of(options_.start_time), saved.first_day.value_or(INT32_MIN))) {
  for (auto& [day, chunks] : saved.days) {
    if (day < first_day_) continue;
    for (auto& [name, progress] : chunks) {
      Chunk chunk{.finished = progress.finished,
                  .cursor = std::move(progress.cursor),
                  .not_found = 0,
                  .due = {},
                  .backoff = Backoff(options_.backoff_min, options_.backoff_max)};
      if (!chunk.finished) {
        ++days_[day].unfinished;
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
  while (!stop.stop_requested() && !not_supported_) {
    list_all_days(stop);
    if (!not_supported_) sleep_for(stop, options_.poll_interval);
  }
  ending.request_stop();
  return not_supported_ ? SourceEnd::kNotSupported : SourceEnd::kStopped;
}

// Saves the first day at once, so that the choice of this source survives a restart.
bool BulkExport::begin(const std::stop_token& stop) {
  Item mark = mark_of(queue::Lane::kAudit, std::string(kBulkFirstDayKey), format_day(first_day_));
  mark.also = options_.takeover;
  return buffers_.push(std::move(mark), stop);
}

void BulkExport::list_all_days(const std::stop_token& stop) {
  bool found_new = false;
  for (Day day = first_day_; day <= today(); ++day) {
    const Day late_from = today() - static_cast<Day>(options_.late_days);
    {
      std::unique_lock lock(mutex_);
      if (days_[day].listed && day < late_from) continue;
      changed_.wait(lock, stop, [this] { return ready_.size() < kReadyMax; });
    }
    if (!list_day(day, stop, &found_new)) return;
    close_days(stop);
  }
  close_days(stop);
  update_idle(found_new);
}

// Lists one day, again and again until it succeeds. False: asked to stop, or not supported.
bool BulkExport::list_day(Day day, const std::stop_token& stop, bool* found_new) {
  Backoff backoff(options_.backoff_min, options_.backoff_max);
  while (!stop.stop_requested() && !not_supported_) {
    const auto names = api_.list_chunks(day, stop);
    if (names) {
      listing_trouble_.succeeded();
      if (add_chunks(day, *names)) *found_new = true;
      return true;
    }
    if (names.error().kind == ErrorKind::kStopped) return false;
    if (names.error().kind == ErrorKind::kUnimplemented) {
      not_supported_ = true;
      return false;
    }
    listing_trouble_.failed(names.error().message);
    sleep_for(stop, backoff.next());
  }
  return false;
}

// Takes up the chunks that are new. Whether there were any.
bool BulkExport::add_chunks(Day day, const std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  DayState& state = days_[day];
  state.listed = true;
  bool found_new = false;
  for (const std::string& name : names) {
    Chunk chunk{.finished = false,
                .cursor = {},
                .not_found = 0,
                .due = {},
                .backoff = Backoff(options_.backoff_min, options_.backoff_max)};
    if (!state.chunks.emplace(name, std::move(chunk)).second) continue;
    ++state.unfinished;
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
  Item mark =
      mark_of(queue::Lane::kAudit, std::string(kBulkFirstDayKey), format_day(first_day_ + 1));
  {
    const std::lock_guard lock(mutex_);
    const Day late_from = today() - static_cast<Day>(options_.late_days);
    const auto found = days_.find(first_day_);
    if (first_day_ >= late_from || found == days_.end()) return false;
    if (!found->second.listed || found->second.unfinished > 0) return false;
    for (const auto& [name, chunk] : found->second.chunks) {
      mark.also.push_back(StateChange{chunk_key(first_day_, name), std::nullopt});
    }
  }
  // An event's own day may be the one before that of its chunk.
  mark.forget_ids_before = first_day_ - 1;
  if (!buffers_.push(std::move(mark), stop)) return false;
  const std::lock_guard lock(mutex_);
  days_.erase(first_day_);
  ++first_day_;
  return true;
}

void BulkExport::update_idle(bool found_new) {
  const std::lock_guard lock(mutex_);
  const bool all_read = std::all_of(days_.begin(), days_.end(),
                                    [](const auto& day) { return day.second.unfinished == 0; });
  idle_ = all_read && !found_new;
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
  const std::string key = chunk_key(day, chunk_name);
  const auto stream = api_.export_chunk(day, chunk_name, chunk->cursor, stop);
  while (true) {
    SLUICE_ASSIGN(const auto received, stream->next());
    if (!received) break;
    Item item = item_of(queue::Lane::kAudit, decoder->decode(received->event));
    if (auto* reject = std::get_if<Reject>(&item.content); reject && reject->time == Timestamp{}) {
      reject->time = start_of_day(day);
    }
    item.cursor = StateChange{key, encode_chunk_cursor(received->cursor)};
    std::string cursor(received->cursor);
    if (!buffers_.push(std::move(item), stop)) return fail(ErrorKind::kStopped, "asked to stop");
    chunk->cursor = std::move(cursor);
    chunk->not_found = 0;
    chunk->backoff.reset();
  }
  if (!buffers_.push(mark_of(queue::Lane::kAudit, key, std::string(kChunkDone)), stop)) {
    return fail(ErrorKind::kStopped, "asked to stop");
  }
  return {};
}

void BulkExport::finish(const ChunkName& name) {
  const std::lock_guard lock(mutex_);
  chunk_unlocked(name).finished = true;
  --days_[name.first].unfinished;
  changed_.notify_all();
}

void BulkExport::failed(const ChunkName& name, const Error& error, const std::stop_token& stop) {
  if (error.kind == ErrorKind::kUnimplemented) {
    not_supported_ = true;
    return;
  }
  reading_trouble_.failed(error.message);
  bool lost = false;
  {
    const std::lock_guard lock(mutex_);
    Chunk& chunk = chunk_unlocked(name);
    if (error.kind == ErrorKind::kNotFound) ++chunk.not_found;
    lost = chunk.not_found >= kNotFoundMax;
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

void BulkExport::give_up(const ChunkName& name, const Error& error, const std::stop_token& stop) {
  log_error(
      "the events of chunk {} of {} that were not fetched yet are lost: Teleport no longer "
      "has it: {}",
      name.second, format_day(name.first), error.message);
  const std::string key = chunk_key(name.first, name.second);
  if (buffers_.push(mark_of(queue::Lane::kAudit, key, std::string(kChunkLost)), stop)) finish(name);
}

}  // namespace sluice::fetcher
