#include "fetcher/source/search_state.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <system_error>

#include "fetcher/source/state_fields.h"

namespace sluice::fetcher {
namespace {

// For times that RFC 3339 has no way to write, such as one after the year 9999:
// "unix:SECONDS.NANOSECONDS", the latter with nine digits.
constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kNanosDigits = 9;

std::string time_text(Timestamp time) {
  // Years outside these would not come back; the day of others may not even be a number.
  constexpr Timestamp kYear0{-62'167'219'200, 0};
  constexpr Timestamp kYear10000{253'402'300'800, 0};
  if (time >= kYear0 && time < kYear10000) return format_rfc3339(time);
  return fmt::format("{}{}.{:09}", kUnixPrefix, time.seconds, time.nanos);
}

template <typename Number>
bool read_number(std::string_view text, Number* number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

std::optional<Timestamp> time_of(std::string_view text) {
  if (!text.starts_with(kUnixPrefix)) {
    const auto time = parse_rfc3339(text);
    return time ? std::optional(*time) : std::nullopt;
  }
  text.remove_prefix(kUnixPrefix.size());
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return std::nullopt;
  const std::string_view nanos = text.substr(point + 1);
  Timestamp time;
  if (nanos.size() != kNanosDigits || !read_number(nanos, &time.nanos)) return std::nullopt;
  if (!read_number(text.substr(0, point), &time.seconds)) return std::nullopt;
  return time;
}

Result<Timestamp> time_field(const StateFields& fields, std::string_view name) {
  const auto text = fields.find(name);
  const auto time = time_of(text.value_or(""));
  if (time) return *time;
  return fail(ErrorKind::kCorrupt,
              fmt::format("the fetcher's saved state of its search has no valid \"{}\"", name));
}

}  // namespace

std::string encode_search_state(const SearchState& state) {
  StateFields fields;
  fields.set("from", time_text(state.from));
  if (state.newest) fields.set("newest", time_text(*state.newest));
  if (!state.page_key.empty()) {
    fields.set("page-key", state.page_key);
    fields.set("to", time_text(state.to));
    fields.set("types", state.types);
    if (state.opened) fields.set("opened", time_text(*state.opened));
  }
  if (!state.sent_id.empty()) {
    fields.set("sent-id", state.sent_id);
    fields.set("sent-key", state.sent_key);
  }
  return fields.encode();
}

Result<SearchState> decode_search_state(std::string_view text) {
  SLUICE_ASSIGN(const StateFields fields, StateFields::decode(text));
  SearchState state;
  SLUICE_ASSIGN(state.from, time_field(fields, "from"));
  if (fields.find("newest")) {
    SLUICE_ASSIGN(state.newest, time_field(fields, "newest"));
  }
  state.page_key = fields.find("page-key").value_or("");
  if (!state.page_key.empty()) {
    SLUICE_ASSIGN(state.to, time_field(fields, "to"));
    state.types = fields.find("types").value_or("");
    if (fields.find("opened")) {
      SLUICE_ASSIGN(state.opened, time_field(fields, "opened"));
    }
  }
  state.sent_id = fields.find("sent-id").value_or("");
  state.sent_key = fields.find("sent-key").value_or("");
  return state;
}

}  // namespace sluice::fetcher
