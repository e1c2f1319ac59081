#include "fetcher/source/bulk_state.h"

#include <fmt/format.h>

namespace sluice::fetcher {
namespace {

constexpr std::string_view kAt = "at ";

Result<void> decode_chunk(std::string_view key, std::string_view value, BulkState* state) {
  const std::string_view path = key.substr(kBulkPrefix.size());
  const std::size_t slash = path.find('/');
  const auto day = parse_day(path.substr(0, slash));
  ChunkProgress progress;
  progress.finished = value == kChunkDone || value == kChunkLost;
  if (value.starts_with(kAt)) progress.cursor = value.substr(kAt.size());
  if (slash == std::string_view::npos || !day || (!progress.finished && !value.starts_with(kAt))) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("the fetcher's saved state \"{}\" = \"{}\" cannot be read: it was not "
                            "written by this program",
                            key, value));
  }
  state->days[*day].insert_or_assign(std::string(path.substr(slash + 1)), std::move(progress));
  return {};
}

}  // namespace

std::string chunk_key(Day day, std::string_view chunk) {
  return fmt::format("{}{}/{}", kBulkPrefix, format_day(day), chunk);
}

std::string closed_day_key(Day day) {
  return std::string(kBulkClosedPrefix).append(format_day(day));
}

std::string encode_chunk_cursor(std::string_view cursor) { return std::string(kAt).append(cursor); }

Result<BulkState> decode_bulk_state(
    const std::optional<std::string>& first_day,
    const std::vector<std::pair<std::string, std::string>>& chunks,
    const std::vector<std::pair<std::string, std::string>>& closed) {
  BulkState state;
  if (first_day) {
    const auto day = parse_day(*first_day);
    if (!day) {
      return fail(ErrorKind::kCorrupt,
                  fmt::format("the fetcher's saved state \"{}\" = \"{}\" is not a day",
                              kBulkFirstDayKey, *first_day));
    }
    state.first_day = *day;
  }
  for (const auto& [key, value] : chunks) SLUICE_TRY(decode_chunk(key, value, &state));
  for (const auto& [key, value] : closed) {
    const auto day = parse_day(std::string_view(key).substr(kBulkClosedPrefix.size()));
    if (!day) {
      return fail(ErrorKind::kCorrupt,
                  fmt::format("the fetcher's saved state \"{}\" does not name a day", key));
    }
    state.closed.insert(*day);
  }
  return state;
}

}  // namespace sluice::fetcher
