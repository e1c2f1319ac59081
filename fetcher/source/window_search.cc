#include "fetcher/source/window_search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/message_kinds.h"
#include "fetcher/source/audit_api.h"

namespace sluice::fetcher {
namespace {

// More than a busy cluster has in any sensible overlap.
constexpr std::size_t kRecentIdsMax = 200'000;
// The last window's end lies this far in the future, for events of hosts whose clock is ahead.
constexpr std::int64_t kTailSeconds = 24 * 3600;
// Bounds of a growing window, past which it becomes the last one. Teleport is younger than the
// second.
constexpr std::uint32_t kDoublingsMax = 20;
constexpr std::int64_t kWindowSecondsMax = 30LL * 366 * 24 * 3600;
// A saved time that lies further in the future than this is not believed.
constexpr std::int64_t kBelievedAheadSeconds = 2 * 24 * 3600;
// A page key that fails so often in a row, whatever is said, is given up: the window is searched
// again from its start, and what is in the queue already is kept out.
constexpr int kKeyFailuresMax = 10;

std::unexpected<Error> stopped() { return fail(ErrorKind::kStopped, "asked to stop"); }

std::int64_t whole_seconds(std::chrono::milliseconds duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

}  // namespace

WindowSearch::WindowSearch(WindowSearchOptions options, SearchState saved, EventApi* api,
                           LaneBuffers* buffers, const Clock& clock, TeleportClock* teleport_clock)
    : options_(std::move(options)),
      state_(std::move(saved)),
      api_(*api),
      buffers_(*buffers),
      clock_(clock),
      recent_(kRecentIdsMax),
      page_size_(options_.page_size),
      teleport_clock_(*teleport_clock),
      trouble_(message::kSearchFails, "cannot search for events", clock),
      key_trouble_(message::kPageKeyFails, "cannot turn the pages of a search", clock),
      types_(fmt::format("{}", fmt::join(options_.types, ","))),
      read_up_to_(options_.read_up_to),
      saved_read_up_to_(options_.read_up_to) {
  if (state_.types != types_) state_.page_key.clear();
  const Timestamp believed =
      add_seconds(std::max(clock_.now(), state_.from), kBelievedAheadSeconds);
  if (state_.newest > believed) state_.newest.reset();
}

SourceEnd WindowSearch::run(std::stop_token stop) {
  Backoff backoff(options_.backoff_min, options_.backoff_max);
  next_probe_ = clock_.monotonic() + options_.probe_interval;
  while (!stop.stop_requested()) {
    // Between windows, so that all that was read is saved.
    if (state_.page_key.empty() && has_bulk_export(stop)) return SourceEnd::kChooseAgain;
    if (state_.page_key.empty()) open_window();
    const auto searched = search_window(stop);
    if (searched) {
      trouble_.succeeded();
      backoff.reset();
      if (is_done()) return SourceEnd::kFinished;
      if (tail_) sleep_for(stop, options_.poll_interval);
    } else if (searched.error().kind != ErrorKind::kStopped) {
      trouble_.failed(searched.error().message);
      sleep_for(stop, backoff.next());
    }
  }
  return SourceEnd::kStopped;
}

bool WindowSearch::has_bulk_export(const std::stop_token& stop) {
  if (options_.backfill || clock_.monotonic() < next_probe_) return false;
  next_probe_ = clock_.monotonic() + options_.probe_interval;
  const auto probed = probe_audit_api(&api_, clock_, stop);
  if (!probed || *probed != AuditApi::kBulkExport) return false;
  log_message(message::kBulkExportFound, {},
              "Teleport has a bulk export now, which takes over from the search");
  return true;
}

// Chooses the window's end. Where it would lie past the present or the end of what is wanted, or
// the window has grown to its bounds, the window becomes the last one.
void WindowSearch::open_window() {
  new_ids_ = 0;
  latest_open_ = latest_;
  opened_ = teleport_clock_.moment();
  state_.opened.reset();
  may_grow_ = false;
  const Timestamp now = clock_.now();
  const std::int64_t size = std::max<std::int64_t>(whole_seconds(options_.window_size), 1);
  const std::int64_t span = std::min(size << doublings_, std::max(size, kWindowSecondsMax));
  const bool at_bounds = doublings_ == kDoublingsMax || span >= kWindowSecondsMax;
  state_.to = add_seconds(state_.from, span);
  if (options_.backfill) {
    const Timestamp end = options_.backfill->range.to;
    tail_ = at_bounds || state_.to >= end;
    if (tail_) state_.to = end;
    return;
  }
  tail_ = at_bounds || state_.to >= now;
  if (!tail_) return;
  extend_to_tail(now, state_.to);
  may_grow_ = !at_bounds && state_.from > add_seconds(now, kTailSeconds);
}

// A clock that is more than a day behind the window's start knows nothing of the present: the
// window then goes on growing, a step at each poll.
void WindowSearch::extend_to_tail(Timestamp now, Timestamp grown) {
  const Timestamp known =
      std::max({now, state_.from, state_.newest.value_or(now), latest_.value_or(now)});
  state_.to = add_seconds(known, kTailSeconds);
  if (state_.from > add_seconds(now, kTailSeconds)) state_.to = std::max(state_.to, grown);
}

// Reads the window's pages from the present one on. After an error it can be called again.
Result<void> WindowSearch::search_window(const std::stop_token& stop) {
  while (true) {
    SLUICE_ASSIGN(const SearchPage page, fetch_page(stop));
    const std::size_t new_ids_before = new_ids_;
    SLUICE_TRY(push_events(page, stop));
    const bool repeats = !page.last_key.empty() && page.last_key == state_.page_key;
    state_.page_key = page.last_key;
    state_.types = types_;
    if (repeats) {
      // Following it would go on for ever. What lies behind is searched for from the newest event
      // on.
      key_trouble_.failed(
          "Teleport gave a page its own key as that of the next page; the search goes on in a new "
          "window");
      state_.page_key.clear();
      opened_.reset();
    }
    if (state_.page_key.empty()) {
      if (!repeats) key_trouble_.succeeded();
      break;
    }
    // A page that brought nothing new may as well be read again after a restart.
    if (new_ids_ > new_ids_before) SLUICE_TRY(save(stop));
  }
  note_read_up_to();
  close_window();
  return save(stop);
}

Result<SearchPage> WindowSearch::fetch_page(const std::stop_token& stop) {
  SearchRequest request{.from = state_.from,
                        .to = state_.to,
                        .types = options_.types,
                        .limit = page_size_,
                        .start_key = state_.page_key};
  auto page = api_.search(request, stop);
  while (!page && page.error().kind == ErrorKind::kTooLarge && request.limit > 1) {
    request.limit = page_size_ = request.limit / 2;
    page = api_.search(request, stop);
  }
  if (page) page_size_ = std::min(page_size_ * 2, options_.page_size);
  if (page || request.start_key.empty()) {
    key_failures_ = 0;
    return page;
  }
  // Not every storage that cannot read the key of another one says so with the right code.
  if (page.error().kind != ErrorKind::kRejected && ++key_failures_ < kKeyFailuresMax) return page;
  key_failures_ = 0;
  // The caller waits before the window is opened again: a server that refuses the keys which it has
  // just given would otherwise be asked without end.
  state_.page_key.clear();
  return fail(ErrorKind::kRejected,
              fmt::format("Teleport does not take its page key, so the window from {} is searched "
                          "again from its start: {}",
                          format_rfc3339(state_.from), page.error().message));
}

Result<void> WindowSearch::push_events(const SearchPage& page, const std::stop_token& stop) {
  const Timestamp now = clock_.now();
  for (const std::string_view bytes : page.events) {
    auto decoded = decoder_.decode(bytes);
    Timestamp& time = decoded ? decoded->time : decoded.error().time;
    if (time == Timestamp{}) {
      time = state_.from;
    } else {
      teleport_clock_.saw(time);
    }
    const Timestamp received = time;
    const std::string id = decoded ? decoded->id : decoded.error().id;
    if (!recent_.contains(id)) {
      Item item = item_of(queue::Lane::kAudit, std::move(decoded));
      item.is_backfill = options_.backfill.has_value();
      if (is_wanted(received) && !buffers_.push(std::move(item), stop)) return stopped();
      recent_.add(id);
      ++new_ids_;
    }
    if (received <= now) state_.newest = std::max(state_.newest.value_or(received), received);
    if (received <= state_.to) latest_ = std::max(latest_.value_or(received), received);
  }
  return {};
}

// A state that says nothing new is not worth a write.
Result<void> WindowSearch::save(const std::stop_token& stop) {
  state_.opened = opened_at();
  std::string encoded = encode_search_state(state_);
  if (encoded == saved_ && read_up_to_ == saved_read_up_to_) return {};
  Item mark = mark_of(queue::Lane::kAudit, state_key(options_.backfill, kSearchKey), encoded);
  mark.also = options_.takeover;
  // Neither this search nor one after a restart asks for events before `from`, but a bulk export
  // may. A day more, in case an event's own day is not that of its chunk.
  const Day needed_from = day_of(state_.from) - static_cast<Day>(options_.late_days) - 1;
  if (needed_from != ids_needed_from_ && !options_.backfill) mark.forget_ids_before = needed_from;
  if (read_up_to_ != saved_read_up_to_) mark.read_up_to = read_up_to_;
  if (!buffers_.push(std::move(mark), stop)) return stopped();
  saved_ = std::move(encoded);
  saved_read_up_to_ = read_up_to_;
  ids_needed_from_ = needed_from;
  options_.takeover.clear();
  return {};
}

// When the window was opened, as late as it certainly was at Teleport; by this run or an earlier
// one. Nothing: not known.
std::optional<Timestamp> WindowSearch::opened_at() const {
  if (!opened_) return state_.opened;
  const auto teleport_ms = teleport_clock_.at_least_ms(*opened_);
  return teleport_ms ? std::optional(from_unix_ms(*teleport_ms)) : std::nullopt;
}

// Everything in the window is pushed. What Teleport stores later than the overlap allows for is not
// covered; a window that an earlier run began says nothing of what came since it did.
void WindowSearch::note_read_up_to() {
  const auto teleport_ms = opened_ ? teleport_clock_.at_least_ms(*opened_) : std::nullopt;
  if (!teleport_ms || options_.backfill) return;
  const queue::ReadUpTo reached{
      .time_ms = std::min(*teleport_ms, to_unix_ms(state_.to)) - options_.overlap.count(),
      .looked_at_ms = opened_->wall_ms};
  if (queue::is_worth_saving(reached, read_up_to_)) read_up_to_ = reached;
}

bool WindowSearch::is_done() const {
  if (!options_.backfill || !tail_ || !state_.page_key.empty() || !opened_) return false;
  const auto teleport_ms = teleport_clock_.at_least_ms(*opened_);
  const std::int64_t end_ms = to_unix_ms(options_.backfill->range.to);
  return teleport_ms && *teleport_ms - options_.overlap.count() >= end_ms;
}

// Everything in the window is pushed: decides where the next one starts. `newest` can be ahead of a
// clock that was set back since.
void WindowSearch::close_window() {
  const Timestamp from_before = state_.from;
  const auto opened = opened_at();
  if (opened && state_.newest && *state_.newest <= clock_.now()) {
    const Timestamp reached = std::min(*state_.newest, *opened);
    state_.from = std::max(state_.from, add_seconds(reached, -whole_seconds(options_.overlap)));
  }
  const bool moved = state_.from > from_before;
  const bool found_later = latest_ > latest_open_;
  if (moved) {
    doublings_ = 0;
  } else if (!found_later || !tail_) {
    doublings_ = std::min(doublings_ + 1, kDoublingsMax);
  }
  idle_ = tail_ && !may_grow_ && !moved && !found_later;
}

}  // namespace sluice::fetcher
