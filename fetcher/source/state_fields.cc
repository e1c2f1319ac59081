#include "fetcher/source/state_fields.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>
#include <utility>

namespace sluice::fetcher {
namespace {

std::unexpected<Error> corrupt(std::string_view text) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("the fetcher's saved state \"{}\" cannot be read: it was not written by "
                          "this program",
                          text));
}

void append_escaped(std::string_view value, std::string* out) {
  for (const char c : value) {
    if (c == '\\') {
      out->append("\\\\");
    } else if (c == '\n') {
      out->append("\\n");
    } else {
      out->push_back(c);
    }
  }
}

std::optional<std::string> unescape(std::string_view text) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      value.push_back(text[i]);
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    if (text[i] != '\\' && text[i] != 'n') return std::nullopt;
    value.push_back(text[i] == 'n' ? '\n' : '\\');
  }
  return value;
}

}  // namespace

Result<StateFields> StateFields::decode(std::string_view text) {
  StateFields fields;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::size_t equals = rest.find('=');
    if (end == std::string_view::npos || equals == std::string_view::npos || equals > end) {
      return corrupt(text);
    }
    auto value = unescape(rest.substr(equals + 1, end - equals - 1));
    if (!value) return corrupt(text);
    fields.values_.insert_or_assign(std::string(rest.substr(0, equals)), std::move(*value));
    rest.remove_prefix(end + 1);
  }
  return fields;
}

std::string StateFields::encode() const {
  std::string text;
  for (const auto& [name, value] : values_) {
    text.append(name).push_back('=');
    append_escaped(value, &text);
    text.push_back('\n');
  }
  return text;
}

void StateFields::set(std::string_view name, std::string_view value) {
  values_.insert_or_assign(std::string(name), std::string(value));
}

void StateFields::set_number(std::string_view name, std::int64_t value) {
  set(name, std::to_string(value));
}

std::optional<std::string> StateFields::find(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

Result<std::int64_t> StateFields::number(std::string_view name) const {
  const auto text = find(name);
  std::int64_t value = 0;
  if (text) {
    const auto read = std::from_chars(text->data(), text->data() + text->size(), value);
    if (read.ec == std::errc() && read.ptr == text->data() + text->size()) return value;
  }
  return corrupt(encode());
}

}  // namespace sluice::fetcher
