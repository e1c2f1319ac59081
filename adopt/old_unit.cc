#include "adopt/old_unit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <system_error>

#include "common/files.h"
#include "common/trimmed.h"

namespace sluice::adopt {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kUnitBytesMax = 1U << 20;
// In the order in which systemd prefers them.
constexpr std::array<std::string_view, 4> kFolders = {"etc/systemd/system", "run/systemd/system",
                                                      "usr/local/lib/systemd/system",
                                                      "lib/systemd/system"};

// Words, with the quotes that systemd takes around them.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (const char c : line) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word.push_back(c);
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word.push_back(c);
      in_word = true;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

void read_command(std::string_view command, OldUnit* unit) {
  unit->config.clear();
  unit->settings.clear();
  const std::vector<std::string> words = words_of(command);
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with('-')) continue;
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const bool takes_next =
        equals == std::string::npos && i + 1 < words.size() && !words[i + 1].starts_with('-');
    const std::string value = equals != std::string::npos ? word.substr(equals + 1)
                              : takes_next                ? words[i + 1]
                                                          : "";
    if (name == "--config" || name == "-c") {
      unit->config = value;
    } else {
      unit->settings.push_back(
          equals == std::string::npos && takes_next ? fmt::format("{} {}", word, value) : word);
    }
    if (takes_next) ++i;
  }
}

void read_environment(std::string_view value, OldUnit* unit) {
  for (const std::string& word : words_of(value)) {
    if (word.starts_with("FDFWD_CONFIG=")) {
      if (unit->config.empty()) unit->config = word.substr(word.find('=') + 1);
    } else if (word.starts_with("FDFWD_") || word.starts_with("FDWRD_")) {
      unit->settings.push_back(word);
    }
  }
}

void read_line(std::string_view line, OldUnit* unit) {
  line = trimmed(line);
  const std::size_t equals = line.find('=');
  if (line.empty() || line.starts_with('#') || line.starts_with(';') ||
      equals == std::string_view::npos) {
    return;
  }
  const std::string_view key = trimmed(line.substr(0, equals));
  const std::string_view value = trimmed(line.substr(equals + 1));
  if (key == "ExecStart" && !value.empty()) read_command(value, unit);
  if (key == "WorkingDirectory" && value.starts_with('/')) unit->working_directory = value;
  if (key == "Environment") read_environment(value, unit);
  if (key == "EnvironmentFile" && !value.empty()) {
    unit->settings.push_back(fmt::format("EnvironmentFile={}", value));
  }
}

Result<void> read_drop_ins(const fs::path& folder, OldUnit* unit) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".conf") files.push_back(it->path());
  }
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    SLUICE_ASSIGN(const std::string text, read_file(file, kUnitBytesMax));
    read_unit_text(text, unit);
  }
  return {};
}

}  // namespace

void read_unit_text(std::string_view text, OldUnit* unit) {
  std::string line;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const bool goes_on = part.ends_with('\\');
    if (goes_on) part.remove_suffix(1);
    line.append(part);
    if (goes_on) {
      line.push_back(' ');
      continue;
    }
    read_line(line, unit);
    line.clear();
  }
  read_line(line, unit);
}

Result<std::optional<OldUnit>> read_old_unit(const fs::path& root, const std::string& name) {
  OldUnit unit{.name = name, .config = {}, .working_directory = "/", .settings = {}};
  bool found = false;
  for (const std::string_view folder : kFolders) {
    auto text = read_file(root / folder / name, kUnitBytesMax);
    if (!text && text.error().kind == ErrorKind::kNotFound) continue;
    if (!text) return fail(text.error());
    read_unit_text(*text, &unit);
    found = true;
    break;
  }
  if (!found) return std::nullopt;
  for (const std::string_view folder : kFolders) {
    SLUICE_TRY(read_drop_ins(root / folder / (name + ".d"), &unit));
  }
  return unit;
}

}  // namespace sluice::adopt
