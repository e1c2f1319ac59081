#include "fetcher/source/search_state.h"

#include <fmt/format.h>

#include "fetcher/source/state_fields.h"

namespace sluice::fetcher {
namespace {

Result<Timestamp> time_field(const StateFields& fields, std::string_view name) {
  const auto text = fields.find(name);
  auto time = parse_rfc3339(text.value_or(""));
  if (time) return time;
  return fail(ErrorKind::kCorrupt,
              fmt::format("the fetcher's saved state of its search has no valid \"{}\"", name));
}

}  // namespace

std::string encode_search_state(const SearchState& state) {
  StateFields fields;
  fields.set("from", format_rfc3339(state.from));
  if (state.newest) fields.set("newest", format_rfc3339(*state.newest));
  if (!state.page_key.empty()) {
    fields.set("page-key", state.page_key);
    fields.set("to", format_rfc3339(state.to));
    fields.set("types", state.types);
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
  }
  return state;
}

}  // namespace sluice::fetcher
