#include "fetcher/source/window_search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace sluice::fetcher {
namespace {

// More than a busy cluster has in any sensible overlap.
constexpr std::size_t kRecentIdsMax = 200'000;
// The last window's end lies this far in the future, for events of hosts whose clock is ahead.
constexpr std::int64_t kTailSeconds = 24 * 3600;
// Bounds of a growing window. The first keeps the shift below within 64 bits.
constexpr std::uint32_t kDoublingsMax = 30;
constexpr std::int64_t kWindowSecondsMax = 20LL * 366 * 24 * 3600;

std::unexpected<Error> stopped() { return fail(ErrorKind::kStopped, "asked to stop"); }

std::int64_t whole_seconds(std::chrono::milliseconds duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

}  // namespace

WindowSearch::WindowSearch(WindowSearchOptions options, SearchState saved, EventApi* api,
                           LaneBuffers* buffers, const Clock& clock)
    : options_(std::move(options)),
      state_(std::move(saved)),
      api_(*api),
      buffers_(*buffers),
      clock_(clock),
      recent_(kRecentIdsMax),
      trouble_("cannot search for events", LogLevel::kWarn, clock),
      types_(fmt::format("{}", fmt::join(options_.types, ","))) {
  if (state_.types != types_) state_.page_key.clear();
}

SourceEnd WindowSearch::run(std::stop_token stop) {
  Backoff backoff(options_.backoff_min, options_.backoff_max);
  while (!stop.stop_requested()) {
    if (state_.page_key.empty()) open_window();
    const auto searched = search_window(stop);
    if (searched) {
      trouble_.succeeded();
      backoff.reset();
      if (tail_) sleep_for(stop, options_.poll_interval);
    } else if (searched.error().kind != ErrorKind::kStopped) {
      trouble_.failed(searched.error().message);
      sleep_for(stop, backoff.next());
    }
  }
  return SourceEnd::kStopped;
}

// Chooses the window's end. Where it would lie past the present, the window becomes the last one.
void WindowSearch::open_window() {
  const Timestamp now = clock_.now();
  const Timestamp present = std::max(now, state_.newest.value_or(now));
  const std::int64_t size = std::max<std::int64_t>(whole_seconds(options_.window_size), 1);
  state_.to = add_seconds(state_.from, std::min(size << doublings_, kWindowSecondsMax));
  tail_ = state_.to >= present;
  // A clock that is behind the window's start knows nothing of the present: the window then goes on
  // growing, and ends when something is found.
  if (tail_ && now >= state_.from) state_.to = add_seconds(present, kTailSeconds);
  newest_before_ = state_.newest;
}

// Reads the window's pages from the present one on. After an error it can be called again.
Result<void> WindowSearch::search_window(const std::stop_token& stop) {
  while (true) {
    SLUICE_ASSIGN(const SearchPage page, fetch_page(stop));
    SLUICE_TRY(push_events(page, stop));
    const bool repeats = !page.last_key.empty() && page.last_key == state_.page_key;
    state_.page_key = page.last_key;
    state_.types = types_;
    if (repeats) {
      // Following it would go on for ever. What lies behind is searched for from the newest event
      // on.
      log_warn(
          "Teleport gave a page its own key as that of the next page; the search goes on in "
          "a new window");
      state_.page_key.clear();
    }
    if (state_.page_key.empty()) break;
    SLUICE_TRY(save(stop));
  }
  close_window();
  return save(stop);
}

Result<SearchPage> WindowSearch::fetch_page(const std::stop_token& stop) {
  SearchRequest request{.from = state_.from,
                        .to = state_.to,
                        .types = options_.types,
                        .limit = options_.page_size,
                        .start_key = state_.page_key};
  auto page = api_.search(request, stop);
  if (page || page.error().kind != ErrorKind::kRejected || request.start_key.empty()) return page;
  log_warn(
      "Teleport does not take the saved page key, so the window from {} is searched again "
      "from its start: {}",
      format_rfc3339(state_.from), page.error().message);
  state_.page_key.clear();
  request.start_key.clear();
  return api_.search(request, stop);
}

Result<void> WindowSearch::push_events(const SearchPage& page, const std::stop_token& stop) {
  for (const std::string_view bytes : page.events) {
    auto decoded = decoder_.decode(bytes);
    Timestamp& time = decoded ? decoded->time : decoded.error().time;
    if (time == Timestamp{}) time = state_.from;
    const Timestamp received = time;
    const std::string id = decoded ? decoded->id : decoded.error().id;
    if (!recent_.contains(id)) {
      if (!buffers_.push(item_of(queue::Lane::kAudit, std::move(decoded)), stop)) return stopped();
      recent_.add(id);
    }
    state_.newest = std::max(state_.newest.value_or(received), received);
  }
  return {};
}

// A state that says nothing new is not worth a write.
Result<void> WindowSearch::save(const std::stop_token& stop) {
  std::string encoded = encode_search_state(state_);
  if (encoded == saved_) return {};
  Item mark = mark_of(queue::Lane::kAudit, std::string(kSearchKey), encoded);
  mark.also = options_.takeover;
  // Neither this search nor one after a restart asks for events before `from`.
  const Day needed_from = day_of(state_.from) - 1;
  if (needed_from != ids_needed_from_) mark.forget_ids_before = needed_from;
  if (!buffers_.push(std::move(mark), stop)) return stopped();
  saved_ = std::move(encoded);
  ids_needed_from_ = needed_from;
  options_.takeover.clear();
  return {};
}

// Everything in the window is pushed: decides where the next one starts.
void WindowSearch::close_window() {
  const Timestamp from_before = state_.from;
  if (state_.newest) {
    const Timestamp now = clock_.now();
    const Timestamp reached = now >= state_.from ? std::min(*state_.newest, now) : *state_.newest;
    state_.from = std::max(state_.from, add_seconds(reached, -whole_seconds(options_.overlap)));
  }
  const bool advanced = state_.from > from_before || state_.newest > newest_before_;
  doublings_ = advanced ? 0 : std::min(doublings_ + 1, kDoublingsMax);
  idle_ = tail_ && !advanced;
}

}  // namespace sluice::fetcher
