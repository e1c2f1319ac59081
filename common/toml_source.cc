#include "common/toml_source.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>
#include <optional>
#include <sstream>
#include <tuple>
#include <utility>

#include "common/trimmed.h"

namespace sluice {
namespace {

std::string_view line_of(std::string_view text, std::uint32_t line) {
  for (; line > 1; --line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

struct Advice {
  std::string sentence;
  std::size_t column = 0;
  std::string meant;  // the line as it should be
};

// One error of syntax. `corrected`: what the line is taken for; nothing: nobody knows.
struct Mistake {
  Error error;
  std::optional<std::string> corrected;
};

// More of them are no help to anybody.
constexpr std::size_t kMistakesMax = 50;

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lowered;
}

// Sentences go to the log, and not everybody who may read that may know the value.
bool may_be_secret(std::string_view key, std::string_view value) {
  constexpr std::array<std::string_view, 5> kWords = {"password", "passphrase", "secret", "token",
                                                      "header"};
  const std::string name = lower(key);
  const bool is_named_so = std::ranges::any_of(
      kWords, [&](std::string_view word) { return name.find(word) != std::string::npos; });
  const std::size_t scheme = value.find("://");
  return is_named_so || (scheme != std::string_view::npos &&
                         value.find_first_of("@?", scheme) != std::string_view::npos);
}

// What to do about `key = value` when the value is plain text, the most common mistake, since the
// example in Teleport's own guide has it.
std::optional<Advice> unquoted_value(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view key = trimmed(line.substr(0, equals));
  const std::size_t comment = std::min(line.find(" #", equals), line.size());
  const std::string_view value = trimmed(line.substr(equals + 1, comment - equals - 1));
  if (key.empty() || value.empty() || key.find('#') != std::string_view::npos) return std::nullopt;
  const auto column = static_cast<std::size_t>(value.data() - line.data()) + 1;
  if (equal_ignoring_case(value, "true") || equal_ignoring_case(value, "false")) {
    const bool on = equal_ignoring_case(value, "true");
    return Advice{fmt::format("the value of {} must be true or false, in small letters", key),
                  column, fmt::format("{}{}", line.substr(0, column - 1), on)};
  }
  if (value.find_first_of("\"'[]{}\\") != std::string_view::npos) return std::nullopt;
  const bool is_text = std::ranges::any_of(
      value, [](unsigned char c) { return std::isalpha(c) != 0 || c == '/' || c == '~'; });
  if (!is_text) return std::nullopt;
  const std::string example =
      may_be_secret(key, value) ? "" : fmt::format(", {} = \"{}\"", key, value);
  return Advice{fmt::format("the value of {} has no quotes: put quotes around it{}", key, example),
                column, fmt::format("{}\"{}\"", line.substr(0, column - 1), value)};
}

// Whether all of what is given in this line ends in it.
bool is_alone(std::string_view line) {
  return line.find_first_of("[{") == std::string_view::npos &&
         line.find("\"\"\"") == std::string_view::npos &&
         line.find("'''") == std::string_view::npos;
}

Mistake syntax_mistake(std::string_view text, std::string_view file,
                       const toml::parse_error& error) {
  const toml::source_position place = error.source().begin;
  const std::string_view line = line_of(text, place.line);
  if (const auto advice = unquoted_value(line)) {
    return {{ErrorKind::kConfig,
             fmt::format("{}:{}:{}: {}", file, place.line, advice->column, advice->sentence)},
            advice->meant};
  }
  const std::string where = fmt::format("{}:{}:{}: ", file, place.line, place.column);
  const std::string_view description = error.description();
  if (description.find("cannot redefine existing") != std::string_view::npos) {
    const std::string_view key = trimmed(line.substr(0, line.find('=')));
    return {{ErrorKind::kConfig, fmt::format("{}{} is given twice: keep one of them", where,
                                             may_be_secret(key, line) ? key : trimmed(line))},
            is_alone(line) ? std::optional<std::string>("") : std::nullopt};
  }
  return {{ErrorKind::kConfig, fmt::format("{}this is not valid TOML: {}", where, description)},
          std::nullopt};
}

std::string with_line(std::string_view text, std::uint32_t line, std::string_view content) {
  const std::string_view old = line_of(text, line);
  const auto begin = static_cast<std::size_t>(old.data() - text.data());
  return fmt::format("{}{}{}", text.substr(0, begin), content, text.substr(begin + old.size()));
}

RawValue raw_value(const toml::node& node) {
  RawValue raw;
  node.visit([&](const auto& value) {
    using Node = std::remove_cvref_t<decltype(value)>;
    using Kind = RawValue::Kind;
    if constexpr (toml::is_string<Node>) {
      raw = {Kind::kString, value.get(), {}};
    } else if constexpr (toml::is_integer<Node>) {
      raw = {Kind::kInteger, fmt::format("{}", value.get()), {}};
    } else if constexpr (toml::is_floating_point<Node>) {
      raw = {Kind::kFloat, fmt::format("{}", value.get()), {}};
    } else if constexpr (toml::is_boolean<Node>) {
      raw = {Kind::kBoolean, value.get() ? "true" : "false", {}};
    } else if constexpr (toml::is_array<Node>) {
      raw.kind = Kind::kArray;
      for (const toml::node& item : value) raw.items.push_back(raw_value(item));
    } else if constexpr (toml::is_table<Node>) {
      raw.kind = Kind::kTable;
    } else {
      std::ostringstream text;
      text << value.get();
      raw = {Kind::kTime, text.str(), {}};
    }
  });
  return raw;
}

TomlPlace place_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

void collect(const toml::table& table, const std::string& prefix, std::vector<TomlEntry>* entries) {
  for (const auto& [key, node] : table) {
    const bool dotted = key.str().find('.') != std::string_view::npos;
    const std::string path =
        prefix + (dotted ? fmt::format("\"{}\"", key.str()) : std::string(key.str()));
    const toml::table* inner = node.as_table();
    if (inner != nullptr && !inner->empty()) {
      collect(*inner, path + ".", entries);
    } else {
      entries->push_back({path, place_of(key.source()), raw_value(node), place_of(node.source())});
    }
  }
}

}  // namespace

TomlContent parse_toml(std::string_view given, std::string_view file) {
  TomlContent content;
  std::string text(given);
  while (content.is_whole) {
    try {
      const toml::table root = toml::parse(text, file);
      collect(root, "", &content.entries);
      std::ranges::sort(content.entries, {}, [](const TomlEntry& entry) {
        return std::tuple(entry.key_place.line, entry.key_place.column);
      });
      return content;
    } catch (const toml::parse_error& error) {
      Mistake mistake = syntax_mistake(text, file, error);
      content.mistakes.push_back(std::move(mistake.error));
      content.is_whole = mistake.corrected && content.mistakes.size() < kMistakesMax;
      if (content.is_whole) text = with_line(text, error.source().begin.line, *mistake.corrected);
    } catch (const std::exception& error) {
      content.mistakes.push_back(
          {ErrorKind::kConfig, fmt::format("{}: cannot be parsed: {}", file, error.what())});
      content.is_whole = false;
    }
  }
  return content;
}

}  // namespace sluice
