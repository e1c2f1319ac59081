#include "fetcher/transcode/transcoder.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "fetcher/transcode/json_number.h"
#include "fetcher/transcode/wire_reader.h"

namespace sluice::fetcher {
namespace {

constexpr std::uint32_t kStructFields = 1;
constexpr std::uint32_t kEntryKey = 1;
constexpr std::uint32_t kEntryValue = 2;
constexpr std::uint32_t kListValues = 1;

// The numbers of google.protobuf.Value's kinds.
enum ValueKind : std::uint32_t {
  kNull = 1,
  kNumber = 2,
  kString = 3,
  kBool = 4,
  kStruct = 5,
  kList = 6,
};

WireType wire_type_of(std::uint32_t kind) {
  switch (kind) {
    case kNull:
    case kBool:
      return WireType::kVarint;
    case kNumber:
      return WireType::kFixed64;
    default:
      return WireType::kBytes;
  }
}

bool is_kind(const WireField& field) {
  return field.number >= kNull && field.number <= kList && field.type == wire_type_of(field.number);
}

// Finds the one kind that a Value has. False for malformed bytes, for none and for two.
bool read_kind(std::string_view value_bytes, WireField* kind) {
  WireReader reader(value_bytes);
  WireField field;
  bool found = false;
  while (reader.next(&field)) {
    if (!is_kind(field)) continue;
    if (found) return false;
    *kind = field;
    found = true;
  }
  return reader.ok() && found;
}

// What stands after the backslash for a byte that must be escaped; 'u' for the \u00XX form; 0 for
// bytes that stand for themselves.
constexpr std::array<char, 256> make_escapes() {
  std::array<char, 256> escapes{};
  for (std::size_t i = 0; i < 0x20; ++i) escapes[i] = 'u';
  escapes['\b'] = 'b';
  escapes['\f'] = 'f';
  escapes['\n'] = 'n';
  escapes['\r'] = 'r';
  escapes['\t'] = 't';
  escapes['"'] = '"';
  escapes['\\'] = '\\';
  return escapes;
}
constexpr std::array<char, 256> kEscapes = make_escapes();

constexpr std::string_view kHexDigits = "0123456789abcdef";

// Whether any of eight bytes must be escaped: is below 0x20, a quote or a backslash.
bool has_escape(std::uint64_t bytes) {
  constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101U;
  // Of each byte below `limit` the highest bit is set, if that is no more than 0x80; of bytes above
  // such a one perhaps, too, so that the answer is right for all eight together only.
  const auto below = [](std::uint64_t each, std::uint64_t limit) {
    return (each - kOnes * limit) & ~each & kOnes * 0x80U;
  };
  return (below(bytes, 0x20) | below(bytes ^ kOnes * '"', 1) | below(bytes ^ kOnes * '\\', 1)) != 0;
}

// The place of the first byte from `from` on that must be escaped, or the text's end.
std::size_t find_escape(std::string_view text, std::size_t from) {
  std::uint64_t bytes = 0;
  for (; from + sizeof bytes <= text.size(); from += sizeof bytes) {
    std::memcpy(&bytes, text.data() + from, sizeof bytes);
    if (has_escape(bytes)) break;
  }
  while (from < text.size() && kEscapes[static_cast<unsigned char>(text[from])] == 0) ++from;
  return from;
}

// The first eight bytes as a number that is ordered as they are; a shorter text as if zeros
// followed.
std::uint64_t first_bytes(std::string_view text) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) {
    number = number << 8U | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
  }
  return number;
}

}  // namespace

Transcoder::Transcoder(std::vector<std::string> wanted_keys)
    : wanted_keys_(std::move(wanted_keys)),
      wanted_values_(wanted_keys_.size()),
      wanted_bools_(wanted_keys_.size()) {}

Result<std::string_view> Transcoder::transcode(std::string_view struct_bytes) {
  json_.clear();
  entries_.clear();
  std::fill(wanted_values_.begin(), wanted_values_.end(), std::nullopt);
  std::fill(wanted_bools_.begin(), wanted_bools_.end(), std::nullopt);
  reason_ = nullptr;
  if (!write_struct(struct_bytes, 1)) return fail(ErrorKind::kRejected, reason_);
  // One pass over the whole text finds what is wrong in any string: what this class adds around
  // strings is ASCII, and an incomplete sequence is not completed by ASCII.
  if (!simdjson::validate_utf8(json_.data(), json_.size())) {
    return fail(ErrorKind::kRejected, "a string in the event's body is not valid UTF-8");
  }
  return std::string_view(json_);
}

bool Transcoder::reject(const char* reason) {
  reason_ = reason;
  return false;
}

bool Transcoder::write_struct(std::string_view bytes, std::size_t depth) {
  if (depth > kDepthMax) return reject("the event's body is nested more than 100 levels deep");
  const std::size_t first = entries_.size();
  if (!collect_entries(bytes)) return false;
  const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(first);
  std::sort(begin, entries_.end(), [](const Entry& a, const Entry& b) {
    if (a.key_start != b.key_start) return a.key_start < b.key_start;
    const int order = a.key.compare(b.key);
    return order != 0 ? order < 0 : a.place < b.place;
  });
  const std::size_t end = entries_.size();
  json_.push_back('{');
  bool comma = false;
  for (std::size_t i = first; i < end; ++i) {
    const Entry entry = entries_[i];  // A copy: nested objects grow the vector.
    if (i + 1 < end && entries_[i + 1].key == entry.key) continue;
    if (comma) json_.push_back(',');
    comma = true;
    write_string(entry.key);
    json_.push_back(':');
    if (!write_value(entry.value, depth)) return false;
    if (depth == 1) note_wanted(entry);
  }
  json_.push_back('}');
  entries_.resize(first);
  return true;
}

bool Transcoder::collect_entries(std::string_view struct_bytes) {
  WireReader reader(struct_bytes);
  WireField field;
  std::uint32_t place = 0;
  while (reader.next(&field)) {
    if (!field.is(kStructFields, WireType::kBytes)) continue;
    if (!add_entry(field.bytes, place++)) return false;
  }
  return reader.ok() || reject("the event's body is not a well-formed protobuf Struct");
}

bool Transcoder::add_entry(std::string_view entry_bytes, std::uint32_t place) {
  WireReader reader(entry_bytes);
  WireField field;
  Entry entry{.key = {}, .value = {}, .key_start = 0, .place = place};
  bool has_value = false;
  while (reader.next(&field)) {
    if (field.is(kEntryKey, WireType::kBytes)) {
      entry.key = field.bytes;
    } else if (field.is(kEntryValue, WireType::kBytes)) {
      if (has_value) return reject("a key in the event's body has two values in one entry");
      entry.value = field.bytes;
      has_value = true;
    }
  }
  if (!reader.ok()) return reject("a map entry in the event's body is not well-formed protobuf");
  entry.key_start = first_bytes(entry.key);
  entries_.push_back(entry);
  return true;
}

void Transcoder::note_wanted(const Entry& entry) {
  for (std::size_t i = 0; i < wanted_keys_.size(); ++i) {
    if (wanted_keys_[i] != entry.key) continue;
    WireField kind;
    if (!read_kind(entry.value, &kind)) continue;
    if (kind.number == kString) wanted_values_[i] = kind.bytes;
    if (kind.number == kBool) wanted_bools_[i] = kind.scalar != 0;
  }
}

bool Transcoder::write_value(std::string_view bytes, std::size_t depth) {
  WireField kind;
  if (!read_kind(bytes, &kind)) {
    return reject("a value in the event's body is malformed, or has no kind, or has two");
  }
  switch (kind.number) {
    case kNull:
      json_.append("null");
      return true;
    case kNumber:
      return write_number(kind.as_double());
    case kString:
      write_string(kind.bytes);
      return true;
    case kBool:
      json_.append(kind.scalar != 0 ? "true" : "false");
      return true;
    case kStruct:
      return write_struct(kind.bytes, depth + 1);
    default:
      return write_list(kind.bytes, depth + 1);
  }
}

bool Transcoder::write_list(std::string_view bytes, std::size_t depth) {
  if (depth > kDepthMax) return reject("the event's body is nested more than 100 levels deep");
  WireReader reader(bytes);
  WireField field;
  bool comma = false;
  json_.push_back('[');
  while (reader.next(&field)) {
    if (!field.is(kListValues, WireType::kBytes)) continue;
    if (comma) json_.push_back(',');
    comma = true;
    if (!write_value(field.bytes, depth)) return false;
  }
  json_.push_back(']');
  return reader.ok() || reject("a list in the event's body is not well-formed protobuf");
}

bool Transcoder::write_number(double value) {
  return append_json_number(value, &json_) ||
         reject("a number in the event's body is not finite, which JSON cannot express");
}

void Transcoder::write_string(std::string_view text) {
  json_.push_back('"');
  for (std::size_t written = 0;;) {
    const std::size_t at = find_escape(text, written);
    json_.append(text, written, at - written);
    if (at == text.size()) break;
    written = at + 1;
    const auto byte = static_cast<unsigned char>(text[at]);
    const char escape = kEscapes[byte];
    json_.push_back('\\');
    json_.push_back(escape);
    if (escape == 'u') {
      json_.append("00");
      json_.push_back(kHexDigits[byte >> 4U]);
      json_.push_back(kHexDigits[byte & 0xFU]);
    }
  }
  json_.push_back('"');
}

}  // namespace sluice::fetcher
