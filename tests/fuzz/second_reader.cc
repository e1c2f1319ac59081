#include "tests/fuzz/second_reader.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "tests/fuzz/wire.h"

namespace sluice::fuzz {
namespace {

using Plain = std::expected<std::string, std::string>;

constexpr std::size_t kDepthMax = 100;

// The years 1 to 9999, as timestamp.proto has them.
constexpr std::int64_t kSecondsMin = -62'135'596'800;
constexpr std::int64_t kSecondsMax = 253'402'300'799;
constexpr std::uint64_t kNanosMax = 999'999'999;

std::unexpected<std::string> refuse(const char* why) { return std::unexpected(std::string(why)); }

void put_bytes(std::uint32_t number, std::string_view bytes, std::string* out) {
  put({.number = number, .type = kBytes, .scalar = 0, .bytes = bytes}, out);
}

Plain plain_value(std::string_view message, std::size_t depth);

Plain plain_struct(std::string_view message, std::size_t depth) {
  if (depth > kDepthMax) return refuse("too deep");
  const auto fields = split(message);
  if (!fields) return refuse("malformed struct");
  std::map<std::string_view, std::string_view> values;
  for (const Field& field : *fields) {
    if (!field.is(1, kBytes)) continue;
    const auto entry = split(field.bytes);
    if (!entry) return refuse("malformed entry");
    std::string_view key;
    std::optional<std::string_view> value;
    for (const Field& part : *entry) {
      if (part.is(1, kBytes)) key = part.bytes;
      if (!part.is(2, kBytes)) continue;
      if (value) return refuse("two values in an entry");
      value = part.bytes;
    }
    values[key] = value.value_or("");
  }
  std::string plain;
  for (const auto& [key, value] : values) {
    const Plain inner = plain_value(value, depth);
    if (!inner) return inner;
    std::string entry;
    put_bytes(1, key, &entry);
    put_bytes(2, *inner, &entry);
    put_bytes(1, entry, &plain);
  }
  return plain;
}

Plain plain_list(std::string_view message, std::size_t depth) {
  if (depth > kDepthMax) return refuse("too deep");
  const auto fields = split(message);
  if (!fields) return refuse("malformed list");
  std::string plain;
  for (const Field& field : *fields) {
    if (!field.is(1, kBytes)) continue;
    const Plain inner = plain_value(field.bytes, depth);
    if (!inner) return inner;
    put_bytes(1, *inner, &plain);
  }
  return plain;
}

bool is_kind(const Field& field) {
  constexpr int kTypes[] = {-1, kVarint, kFixed64, kBytes, kVarint, kBytes, kBytes};
  return field.number < std::size(kTypes) && field.type == kTypes[field.number];
}

Plain plain_value(std::string_view message, std::size_t depth) {
  const auto fields = split(message);
  if (!fields) return refuse("malformed value");
  std::optional<Field> kind;
  for (const Field& field : *fields) {
    if (!is_kind(field)) continue;
    if (kind) return refuse("two kinds");
    kind = field;
  }
  if (!kind) return refuse("no kind");
  if (kind->type == kFixed64 && !std::isfinite(std::bit_cast<double>(kind->scalar))) {
    return refuse("not finite");
  }
  std::string plain;
  if (kind->number < 5) {
    put(*kind, &plain);
    return plain;
  }
  const Plain inner =
      kind->number == 5 ? plain_struct(kind->bytes, depth + 1) : plain_list(kind->bytes, depth + 1);
  if (!inner) return inner;
  put_bytes(kind->number, *inner, &plain);
  return plain;
}

Plain plain_time(std::string_view message) {
  const auto fields = split(message);
  if (!fields) return refuse("malformed time");
  std::uint64_t seconds = 0;
  std::uint64_t nanos = 0;
  for (const Field& field : *fields) {
    if (field.is(1, kVarint)) seconds = field.scalar;
    if (!field.is(2, kVarint)) continue;
    if (field.scalar > kNanosMax) return refuse("no nanoseconds");
    nanos = field.scalar;
  }
  const auto signed_seconds = static_cast<std::int64_t>(seconds);
  if (signed_seconds < kSecondsMin || signed_seconds > kSecondsMax) return refuse("no such year");
  std::string plain;
  put({.number = 1, .type = kVarint, .scalar = seconds, .bytes = {}}, &plain);
  put({.number = 2, .type = kVarint, .scalar = nanos, .bytes = {}}, &plain);
  return plain;
}

}  // namespace

Plain plain_event(std::string_view message) {
  const auto fields = split(message);
  if (!fields) return refuse("malformed event");
  std::map<std::uint32_t, Field> kept;
  for (const Field& field : *fields) {
    const int type = field.number == 4 ? kVarint : kBytes;
    if (field.number > 5 || field.type != type) continue;
    const bool is_message = shape_within(Shape::kEvent, field.number) != Shape::kNone;
    if (is_message && kept.contains(field.number)) return refuse("two times, or two bodies");
    kept[field.number] = field;
  }
  if (!kept.contains(5)) return refuse("no body");
  std::string plain;
  for (const auto& [number, field] : kept) {
    if (shape_within(Shape::kEvent, number) == Shape::kNone) {
      put(field, &plain);
      continue;
    }
    const Plain inner = number == 3 ? plain_time(field.bytes) : plain_struct(field.bytes, 1);
    if (!inner) return inner;
    put_bytes(number, *inner, &plain);
  }
  return plain;
}

}  // namespace sluice::fuzz
