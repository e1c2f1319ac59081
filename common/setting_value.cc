#include "common/setting_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "common/byte_size.h"
#include "common/credential.h"
#include "common/trimmed.h"

namespace sluice {
namespace {

using Kind = RawValue::Kind;

bool is_text(const RawValue& raw) { return raw.kind == Kind::kText || raw.kind == Kind::kString; }

std::string_view expected_form(ValueType type) {
  switch (type) {
    case ValueType::kSwitch:
      return "true or false";
    case ValueType::kCount:
      return "a whole number";
    case ValueType::kBytes:
      return "a number of bytes or a size such as \"512KiB\" or \"16MiB\"";
    case ValueType::kDuration:
      return "a duration such as \"500ms\", \"5s\" or \"1h30m\"";
    case ValueType::kTime:
      return "a time with a zone, such as \"2026-11-23T02:58:41Z\"";
    case ValueType::kText:
      return "a string";
    case ValueType::kAddress:
      return "a string such as \"teleport.example.com:443\"";
    case ValueType::kUrls:
      return "a string with a URL in it, or an array of such strings";
    case ValueType::kFolder:
      return "a string with the path of a folder in it";
    case ValueType::kFile:
      return "a string with the path of a file in it";
    case ValueType::kHeaders:
      return "an array of strings such as \"Authorization: Bearer file:token\"";
    case ValueType::kList:
      break;
  }
  return "an array of strings, or one string with commas in it";
}

Error wrong_form(ValueType type, const RawValue& raw, const Origin& origin) {
  return origin.mistake(
      fmt::format("must be {}, but there is {}", expected_form(type), describe(raw)));
}

// Words that the upstream program takes for a switch in text.
std::optional<bool> parse_switch(const RawValue& raw) {
  if (!is_text(raw) && raw.kind != Kind::kBoolean) return std::nullopt;
  std::string word = raw.text;
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word == "true" || word == "yes" || word == "1") return true;
  if (word == "false" || word == "no" || word == "0") return false;
  return std::nullopt;
}

std::optional<std::uint64_t> parse_count(const std::string& text) {
  std::uint64_t number = 0;
  const char* const text_end = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), text_end, number);
  if (status != std::errc() || end != text_end) return std::nullopt;
  return number;
}

// The number that the bounds are about, if `raw` has the form that `type` asks for.
std::optional<std::uint64_t> parse_measure(ValueType type, const RawValue& raw) {
  const bool integer = raw.kind == Kind::kInteger;
  if (type == ValueType::kDuration) {
    const auto duration = is_text(raw) ? parse_duration(raw.text) : fail(ErrorKind::kConfig, "");
    if (!duration) return std::nullopt;
    return static_cast<std::uint64_t>(duration->count());
  }
  if (!is_text(raw) && !integer) return std::nullopt;
  if (type == ValueType::kCount) return parse_count(raw.text);
  const auto bytes = parse_byte_size(raw.text);
  if (!bytes) return std::nullopt;
  return *bytes;
}

std::string format_measure(ValueType type, std::uint64_t measure) {
  if (type == ValueType::kBytes) return format_byte_size(measure);
  if (type == ValueType::kDuration) {
    return format_duration(std::chrono::milliseconds(measure));
  }
  return fmt::format("{}", measure);
}

Result<Value> parse_bounded(ValueType type, const Bounds& bounds, const RawValue& raw,
                            const Origin& origin) {
  const bool negative = raw.kind == Kind::kInteger && raw.text.starts_with('-');
  const auto measure = parse_measure(type, raw);
  if (!measure && !negative) return fail(wrong_form(type, raw, origin));
  if (negative || *measure < bounds.min || *measure > bounds.max) {
    return fail(origin.mistake(
        fmt::format("is {}, but must be from {}", raw.text, describe(type, bounds))));
  }
  if (type == ValueType::kDuration) return std::chrono::milliseconds(*measure);
  return *measure;
}

Result<Value> parse_time(const RawValue& raw, const Origin& origin) {
  if (!is_text(raw) && raw.kind != Kind::kTime) {
    return fail(wrong_form(ValueType::kTime, raw, origin));
  }
  auto time = parse_rfc3339(raw.text);
  if (!time) return fail(wrong_form(ValueType::kTime, raw, origin));
  time->nanos = 0;
  return *time;
}

void append_items(std::string_view text, std::vector<std::string>* list) {
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = trimmed(text.substr(0, comma));
    if (!item.empty()) list->emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
}

Result<Value> parse_list(ValueType type, const RawValue& raw, const Origin& origin) {
  std::vector<std::string> list;
  if (is_text(raw)) {
    append_items(raw.text, &list);
    return list;
  }
  if (raw.kind != Kind::kArray) return fail(wrong_form(type, raw, origin));
  for (const RawValue& item : raw.items) {
    if (item.kind != Kind::kString) {
      return fail(origin.mistake(
          fmt::format("must be an array of strings, but has {} in it", describe(item))));
    }
    append_items(item.text, &list);
  }
  return list;
}

// Sentences about it do not show what was written, which may be a secret.
Result<Value> parse_headers(const RawValue& raw, const Origin& origin) {
  std::vector<HttpHeader> headers;
  if (is_text(raw) && raw.text.empty()) return headers;
  if (!is_text(raw) && raw.kind != Kind::kArray) {
    return fail(origin.mistake(fmt::format("must be {}", expected_form(ValueType::kHeaders))));
  }
  for (const RawValue& item : is_text(raw) ? std::vector<RawValue>{raw} : raw.items) {
    if (!is_text(item)) {
      return fail(origin.mistake(fmt::format("must be {}", expected_form(ValueType::kHeaders))));
    }
    auto header = parse_http_header(item.text, origin.folder);
    if (!header) return fail(origin.mistake(header.error().message));
    const bool is_known = std::ranges::any_of(
        headers, [&](const HttpHeader& other) { return is_same_header(other.name, header->name); });
    if (is_known) return fail(origin.mistake(fmt::format("has the header {} twice", header->name)));
    headers.push_back(std::move(*header));
  }
  return headers;
}

// Without the user, who may have a password, and without the query, where tokens stand.
std::string without_secrets(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const std::size_t host = scheme + 3;
  const std::size_t host_end = std::min(url.find_first_of("/?#", host), url.size());
  const std::size_t user_end = url.substr(0, host_end).rfind('@');
  std::string shown(url.substr(0, host));
  std::string_view rest = url.substr(host);
  if (user_end != std::string_view::npos && user_end >= host) {
    shown += "***@";
    rest = url.substr(user_end + 1);
  }
  const std::size_t query = rest.find('?');
  shown += rest.substr(0, query);
  if (query != std::string_view::npos) shown += "?***";
  return shown;
}

// A word before a file's text is the scheme ("Bearer"); anything else may be a secret.
std::string without_secrets(const HttpHeader& header) {
  const std::string_view scheme = trimmed(header.value);
  const bool is_word =
      std::ranges::all_of(scheme, [](unsigned char c) { return std::isalpha(c) != 0 || c == '-'; });
  std::string shown = header.name + ": ";
  if (header.file.empty() && header.credential.empty()) return shown + "***";
  if (!scheme.empty()) shown += fmt::format("{} ", is_word ? scheme : "***");
  if (!header.file.empty()) return shown + "file:" + header.file.string();
  return fmt::format("{}{}{}", shown, kCredentialPrefix, header.credential);
}

std::string format_list(const auto& items) {
  std::string text;
  for (const auto& item : items) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", without_secrets(item));
  }
  return fmt::format("[{}]", text);
}

Result<Value> parse_file(const std::string& text, const Origin& origin) {
  const std::string_view view = text;
  if (view.starts_with(kCredentialPrefix) &&
      !is_credential_name(view.substr(kCredentialPrefix.size()))) {
    return fail(
        origin.mistake(fmt::format("is \"{}\", but a credential has the name of a file", text)));
  }
  return path_or_credential(text, origin.folder);
}

}  // namespace

std::string placeholder(ValueType type) {
  switch (type) {
    case ValueType::kSwitch:
      return "";
    case ValueType::kCount:
      return "NUMBER";
    case ValueType::kBytes:
      return "SIZE";
    case ValueType::kDuration:
      return "DURATION";
    case ValueType::kTime:
      return "TIME";
    case ValueType::kText:
      return "TEXT";
    case ValueType::kAddress:
      return "HOST:PORT";
    case ValueType::kUrls:
      return "URL";
    case ValueType::kFolder:
      return "FOLDER";
    case ValueType::kFile:
      return "FILE";
    case ValueType::kHeaders:
      return "HEADER";
    case ValueType::kList:
      break;
  }
  return "NAME,…";
}

std::string describe(ValueType type, const Bounds& bounds) {
  return fmt::format("{} to {}", format_measure(type, bounds.min),
                     format_measure(type, bounds.max));
}

std::string Origin::place() const {
  return where.empty() ? label : where.substr(0, where.rfind(": "));
}

Error Origin::mistake(const std::string& rest) const {
  return Error{kind, fmt::format("{}{} {}", where, label, rest)};
}

std::string format_value(ValueType type, const Value& value) {
  if (const auto* on = std::get_if<bool>(&value)) return *on ? "true" : "false";
  if (const auto* measure = std::get_if<std::uint64_t>(&value)) {
    return format_measure(type, *measure);
  }
  if (const auto* duration = std::get_if<std::chrono::milliseconds>(&value)) {
    return format_duration(*duration);
  }
  if (const auto* time = std::get_if<Timestamp>(&value)) return format_rfc3339(*time);
  if (const auto* text = std::get_if<std::string>(&value)) return without_secrets(*text);
  if (const auto* path = std::get_if<std::filesystem::path>(&value)) return path->string();
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return format_list(*list);
  if (const auto* headers = std::get_if<std::vector<HttpHeader>>(&value)) {
    return format_list(*headers);
  }
  return "none";
}

Result<Value> parse_value(ValueType type, const Bounds& bounds, const RawValue& raw,
                          const Origin& origin) {
  if (type == ValueType::kList) return parse_list(type, raw, origin);
  if (type == ValueType::kHeaders) return parse_headers(raw, origin);
  if (type == ValueType::kSwitch) {
    const auto on = parse_switch(raw);
    if (!on) return fail(wrong_form(type, raw, origin));
    return *on;
  }
  if (is_text(raw) && raw.text.empty()) return std::monostate();
  if (type == ValueType::kUrls) return parse_list(type, raw, origin);
  if (type == ValueType::kTime) return parse_time(raw, origin);
  if (type == ValueType::kCount || type == ValueType::kBytes || type == ValueType::kDuration) {
    return parse_bounded(type, bounds, raw, origin);
  }
  if (!is_text(raw)) return fail(wrong_form(type, raw, origin));
  if (type == ValueType::kFile) return parse_file(raw.text, origin);
  if (type == ValueType::kFolder) return (origin.folder / raw.text).lexically_normal();
  return raw.text;
}

}  // namespace sluice
