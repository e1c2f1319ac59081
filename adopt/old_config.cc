#include "adopt/old_config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "common/settings.h"

namespace sluice::adopt {
namespace {

// toml++ counts lines and characters from 1.
std::size_t offset_of(std::string_view text, toml::source_position place) {
  std::size_t at = 0;
  for (std::uint32_t line = 1; line < place.line; ++line) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
  }
  const auto is_continuation = [&](std::size_t i) {
    return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
  };
  for (std::uint32_t column = 1; column < place.column && at < text.size(); ++column) {
    ++at;
    while (is_continuation(at)) ++at;
  }
  return at;
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

const toml::node* find(const toml::table& table, const std::string& key) {
  const auto view = table.at_path(key);
  if (view) return view.node();
  return table.get(key);
}

bool is_path(const Setting& setting) {
  return setting.type == ValueType::kFile || setting.type == ValueType::kFolder;
}

}  // namespace

Result<OldConfig> OldConfig::parse(std::string text) {
  OldConfig config;
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    std::ostringstream place;
    place << error.source().begin;
    return fail(ErrorKind::kConfig,
                fmt::format("not valid TOML ({}): {}", place.str(), error.description()));
  }
  for (const Setting& setting : settings()) {
    for (const std::string& key : file_keys(setting)) {
      const toml::node* node = find(table, key);
      if (node == nullptr) continue;
      if (is_path(setting) && node->is_string()) {
        config.paths_.insert_or_assign(std::string(setting.name),
                                       Path{.value = node->as_string()->get(),
                                            .begin = offset_of(text, node->source().begin),
                                            .end = offset_of(text, node->source().end)});
      }
      if (setting.name == "teleport-refresh-enabled") {
        config.renews_identity_ = node->value_or(false) || node->value_or(std::string()) == "true";
      }
    }
  }
  config.text_ = std::move(text);
  return config;
}

std::string OldConfig::with(const std::map<std::string, std::string>& values) const {
  std::vector<std::pair<Path, std::string>> changes;
  for (const auto& [name, value] : values) {
    if (const auto found = paths_.find(name); found != paths_.end()) {
      changes.emplace_back(found->second, value);
    }
  }
  // From the end on, so that places stay right.
  std::ranges::sort(changes,
                    [](const auto& a, const auto& b) { return a.first.begin > b.first.begin; });
  std::string text = text_;
  for (const auto& [path, value] : changes) {
    text.replace(path.begin, path.end - path.begin, toml_string(value));
  }
  return text;
}

}  // namespace sluice::adopt
