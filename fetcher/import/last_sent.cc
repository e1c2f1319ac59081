#include "fetcher/import/last_sent.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "fetcher/transcode/event.h"

namespace sluice::fetcher {
namespace {

// As far as is looked behind the window's start. What lies before the event would otherwise be sent
// once more, so looking is the cheaper of both; but not for ever.
constexpr std::size_t kPagesMax = 1'000;
constexpr std::int64_t kAheadSeconds = 24 * 3'600;

std::optional<Timestamp> find_on(const SearchPage& page, std::string_view id) {
  EventDecoder decoder;
  for (const std::string_view bytes : page.events) {
    const auto decoded = decoder.decode(bytes);
    if (decoded && decoded->id == id) return decoded->time;
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<Timestamp>> find_last_sent(const SearchState& search,
                                                const FetcherConfig& config, const Clock& clock,
                                                EventApi* api, const std::stop_token& stop) {
  SearchRequest request{.from = search.from,
                        .to = add_seconds(clock.now(), kAheadSeconds),
                        .types = config.types,
                        .limit = config.page_size,
                        .start_key = search.sent_key};
  // The key may be of another storage than Teleport has now, which need not say that this is what
  // is wrong. What is wrong with more than the key, the next call says.
  if (!search.sent_key.empty()) {
    if (const auto page = api->search(request, stop)) {
      if (const auto time = find_on(*page, search.sent_id)) return time;
    }
    request.start_key.clear();
  }
  for (std::size_t i = 0; i < kPagesMax; ++i) {
    const auto page = api->search(request, stop);
    if (!page &&
        (page.error().kind == ErrorKind::kRejected || page.error().kind == ErrorKind::kTooLarge)) {
      break;
    }
    if (!page) return fail(page.error());
    if (const auto time = find_on(*page, search.sent_id)) return time;
    if (page->last_key.empty() || page->last_key == request.start_key) break;
    request.start_key = page->last_key;
  }
  return std::nullopt;
}

}  // namespace sluice::fetcher
