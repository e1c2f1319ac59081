#include "fetcher/import/handler_state.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <utility>

#include "common/files.h"

namespace sluice::fetcher {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStartTime = "start_time";
constexpr std::string_view kWindowTime = "window_time";
constexpr std::string_view kCursor = "cursor";
constexpr std::string_view kId = "id";
constexpr std::string_view kSession = "session";
constexpr std::string_view kMissingRecording = "missing_recording";
constexpr std::string_view kCursorV2 = "cursor_v2";
constexpr std::string_view kCompletedChunks = "completed-chunks";
constexpr std::string_view kChunkSuffix = ".chunk";
constexpr std::string_view kDryRun = "dry_run";

// Far more than any of them is.
constexpr std::size_t kValueBytesMax = 64U << 10;
constexpr std::size_t kCompletedBytesMax = 64U << 20;
// Go's zero time is in the year 1, and Teleport is younger than this.
constexpr Timestamp kOldest{1'262'304'000, 0};  // 2010-01-01

std::unexpected<Error> unreadable(const fs::path& path, const std::error_code& error) {
  const bool refused = error == std::errc::permission_denied;
  return fail(refused ? ErrorKind::kCannotCreate : ErrorKind::kIo,
              fmt::format("read {}: {}", path.native(), error.message()));
}

struct Entry {
  std::string name;
  fs::file_type type;
};

// A folder's entries by name, links not followed; nothing if it is not there.
Result<std::optional<std::vector<Entry>>> list(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator it(folder, error);
  if (error == std::errc::no_such_file_or_directory) return std::nullopt;
  if (error) return unreadable(folder, error);
  std::vector<Entry> entries;
  while (it != fs::directory_iterator()) {
    std::error_code ignored;
    const fs::file_status status = it->symlink_status(ignored);
    entries.push_back({it->path().filename().native(), status.type()});
    it.increment(error);
    if (error) return unreadable(folder, error);
  }
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

bool is_text(std::string_view bytes) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return std::ranges::none_of(bytes, is_control) && simdjson::validate_utf8(bytes);
}

// Reads one folder of a cluster into a state.
class StateReader {
 public:
  explicit StateReader(const fs::path& folder) { state_.folder = folder; }

  Result<std::optional<HandlerState>> read() {
    SLUICE_ASSIGN(const auto entries, list(state_.folder));
    if (!entries) return std::nullopt;
    for (const Entry& entry : *entries) SLUICE_TRY(read_entry(entry));
    // After everything was read: a handler that has written meanwhile shows.
    SLUICE_ASSIGN(state_.written_at, handler_written_at(state_.folder));
    return std::move(state_);
  }

 private:
  void damaged(const fs::path& path, std::string_view what, std::string_view then) {
    state_.damage.push_back(fmt::format("{} {}: {}", path.native(), what, then));
  }

  Result<void> read_entry(const Entry& entry) {
    const fs::path path = state_.folder / entry.name;
    if (entry.name == kCursorV2) return read_days(path);
    if (entry.type != fs::file_type::regular) return {};
    if (entry.name == kStartTime) return read_time(path, &state_.start_time);
    if (entry.name == kWindowTime) return read_time(path, &state_.window_time);
    if (entry.name == kCursor) return read_text(path, "the page is not used", &state_.page_key);
    if (entry.name == kId) return read_text(path, "it is not looked for", &state_.last_id);
    if (entry.name.starts_with(kMissingRecording)) {
      return read_recording(path, entry.name.substr(kMissingRecording.size()),
                            parse_missing_recording);
    }
    if (entry.name.starts_with(kSession)) {
      return read_recording(path, entry.name.substr(kSession.size()), parse_session_index);
    }
    return {};
  }

  Result<void> read_time(const fs::path& path, std::optional<Timestamp>* time) {
    SLUICE_ASSIGN(const std::string bytes, read_file(path, kValueBytesMax));
    const auto parsed = parse_rfc3339(trimmed(bytes));
    if (parsed && *parsed >= kOldest) {
      *time = *parsed;
    } else if (!parsed) {
      damaged(path, bytes.empty() ? "is empty" : "is no time", "it is not used");
    }
    return {};
  }

  Result<void> read_text(const fs::path& path, std::string_view otherwise, std::string* text) {
    SLUICE_ASSIGN(const std::string bytes, read_file(path, kValueBytesMax));
    if (is_text(bytes)) {
      *text = bytes;
    } else {
      damaged(path, "is no text", otherwise);
    }
    return {};
  }

  Result<void> read_recording(const fs::path& path, const std::string& sid,
                              std::optional<std::int64_t> (*parse)(std::string_view)) {
    if (sid.empty()) return {};
    SLUICE_ASSIGN(const std::string bytes, read_file(path, kValueBytesMax));
    const auto index = parse(bytes);
    if (!index) damaged(path, "cannot be understood", "the recording is fetched from its begin on");
    const auto [found, added] = state_.recordings.try_emplace(sid, index.value_or(0));
    if (!added) found->second = std::min(found->second, index.value_or(0));
    return {};
  }

  Result<void> read_days(const fs::path& folder) {
    SLUICE_ASSIGN(const auto entries, list(folder));
    if (!entries) return {};
    for (const Entry& entry : *entries) {
      const auto day = parse_day(entry.name);
      if (!day || entry.type != fs::file_type::directory) continue;
      if (start_of_day(*day) < kOldest) {
        damaged(folder / entry.name, "is older than Teleport", "it is not used");
        continue;
      }
      SLUICE_TRY(read_day(folder / entry.name, &state_.days[*day]));
    }
    return {};
  }

  // That the folder is there says that the day was begun, be it empty.
  Result<void> read_day(const fs::path& folder, HandlerDay* day) {
    SLUICE_ASSIGN(const auto entries, list(folder));
    if (!entries) return {};
    for (const Entry& entry : *entries) {
      if (entry.type != fs::file_type::regular) continue;
      const fs::path path = folder / entry.name;
      if (entry.name == kCompletedChunks) {
        SLUICE_TRY(read_completed(path, day));
      } else if (entry.name.ends_with(kChunkSuffix)) {
        SLUICE_TRY(read_chunk(path, day));
      }
    }
    // A kill between the two writes leaves a chunk in both.
    std::erase_if(day->cursors,
                  [&](const auto& chunk) { return day->completed.contains(chunk.first); });
    return {};
  }

  Result<void> read_completed(const fs::path& path, HandlerDay* day) {
    SLUICE_ASSIGN(const std::string bytes, read_file(path, kCompletedBytesMax));
    bool is_cut = false;
    for (std::string& name : parse_completed_chunks(bytes, &is_cut)) {
      day->completed.insert(std::move(name));
    }
    if (is_cut) damaged(path, "has lines that are no names", "those chunks are read again");
    return {};
  }

  Result<void> read_chunk(const fs::path& path, HandlerDay* day) {
    SLUICE_ASSIGN(const std::string bytes, read_file(path, kValueBytesMax));
    const std::string_view cursor = trimmed(bytes);
    if (cursor.empty() || !is_text(cursor)) {
      damaged(path, "has no cursor", "the chunk is read from its begin on");
    } else {
      day->cursors.insert_or_assign(path.stem().native(), std::string(cursor));
    }
    return {};
  }

  HandlerState state_;
};

Result<void> note_newest(const fs::path& path, fs::file_time_type* newest) {
  std::error_code error;
  const auto written = fs::last_write_time(path, error);
  // Deleted meanwhile: then its folder is newer.
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return unreadable(path, error);
  *newest = std::max(*newest, written);
  return {};
}

Result<void> note_newest_below(const fs::path& folder, bool is_root, fs::file_time_type* newest) {
  SLUICE_TRY(note_newest(folder, newest));
  SLUICE_ASSIGN(const auto entries, list(folder));
  if (!entries) return {};
  for (const Entry& entry : *entries) {
    if (is_root && entry.name == kDryRun) continue;
    if (entry.type == fs::file_type::directory) {
      SLUICE_TRY(note_newest_below(folder / entry.name, false, newest));
    } else if (entry.type == fs::file_type::regular) {
      SLUICE_TRY(note_newest(folder / entry.name, newest));
    }
  }
  return {};
}

}  // namespace

bool HandlerState::has_position() const {
  return start_time || window_time || !last_id.empty() || !page_key.empty() || !days.empty() ||
         !recordings.empty();
}

std::string handler_folder_name(std::string_view addr) {
  const std::size_t colon = addr.rfind(':');
  if (colon == std::string_view::npos) return std::string(addr);
  std::string_view host = addr.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return fmt::format("{}_{}", host, addr.substr(colon + 1));
}

Result<std::optional<HandlerState>> read_handler_state(const fs::path& folder) {
  return StateReader(folder).read();
}

Result<fs::file_time_type> handler_written_at(const fs::path& folder) {
  auto newest = fs::file_time_type::min();
  SLUICE_TRY(note_newest_below(folder, true, &newest));
  return newest;
}

std::vector<std::string> handler_positions(const fs::path& storage) {
  std::vector<std::string> found;
  const auto entries = list(storage);
  if (!entries || !*entries) return found;
  for (const Entry& entry : **entries) {
    const fs::path folder = storage / entry.name;
    const auto has = [&folder](std::string_view name) {
      std::error_code ignored;
      return fs::exists(folder / name, ignored);
    };
    if (has(kStartTime) || has(kWindowTime) || has(kCursorV2)) found.push_back(entry.name);
  }
  return found;
}

// A name whose line has no end may be the begin of a longer one.
std::vector<std::string> parse_completed_chunks(std::string_view bytes, bool* is_cut) {
  std::vector<std::string> names;
  *is_cut = false;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      *is_cut = true;
      break;
    }
    const std::string_view name = trimmed(bytes.substr(0, end));
    bytes.remove_prefix(end + 1);
    if (name.empty()) continue;
    if (is_text(name) && name.find('/') == std::string_view::npos) {
      names.emplace_back(name);
    } else {
      *is_cut = true;
    }
  }
  return names;
}

// Empty: nothing of it was sent yet, as the handler takes it.
std::optional<std::int64_t> parse_session_index(std::string_view bytes) {
  if (bytes.empty()) return 0;
  if (bytes.size() != sizeof(std::uint64_t)) return std::nullopt;
  std::uint64_t index = 0;
  for (const char byte : bytes) index = index << 8U | static_cast<unsigned char>(byte);
  if (index > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(index);
}

std::optional<std::int64_t> parse_missing_recording(std::string_view bytes) {
  const simdjson::padded_string padded(bytes);
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(padded).get(object) != simdjson::SUCCESS) return std::nullopt;
  std::int64_t index = 0;
  if (object["Index"].get(index) != simdjson::SUCCESS || index < 0) return std::nullopt;
  return index;
}

}  // namespace sluice::fetcher
