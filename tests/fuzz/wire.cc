#include "tests/fuzz/wire.h"

namespace sluice::fuzz {
namespace {

std::optional<std::uint64_t> take_varint(std::string_view* bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> take_fixed(std::string_view* bytes, unsigned count) {
  if (bytes->size() < count) return std::nullopt;
  std::uint64_t value = 0;
  for (unsigned i = count; i > 0; --i) {
    value = value << 8U | static_cast<unsigned char>((*bytes)[i - 1]);
  }
  bytes->remove_prefix(count);
  return value;
}

void put_varint(std::uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7U) out->push_back(static_cast<char>(value | 0x80U));
  out->push_back(static_cast<char>(value));
}

bool take_content(std::string_view* rest, Field* field) {
  if (field->type == kVarint || field->type == kBytes) {
    const auto number = take_varint(rest);
    if (!number) return false;
    field->scalar = *number;
    if (field->type == kVarint) return true;
    if (*number > rest->size()) return false;
    field->bytes = rest->substr(0, *number);
    rest->remove_prefix(*number);
    return true;
  }
  if (field->type != kFixed64 && field->type != kFixed32) return false;
  const auto number = take_fixed(rest, field->type == kFixed64 ? 8 : 4);
  field->scalar = number.value_or(0);
  return number.has_value();
}

}  // namespace

Shape shape_within(Shape message, std::uint32_t number) {
  switch (message) {
    case Shape::kEvent:
      return number == 3 ? Shape::kTimestamp : number == 5 ? Shape::kStruct : Shape::kNone;
    case Shape::kStruct:
      return number == 1 ? Shape::kEntry : Shape::kNone;
    case Shape::kEntry:
      return number == 2 ? Shape::kValue : Shape::kNone;
    case Shape::kValue:
      return number == 5 ? Shape::kStruct : number == 6 ? Shape::kList : Shape::kNone;
    case Shape::kList:
      return number == 1 ? Shape::kValue : Shape::kNone;
    case Shape::kTimestamp:
    case Shape::kNone:
      break;
  }
  return Shape::kNone;
}

std::optional<std::vector<Field>> split(std::string_view message) {
  std::vector<Field> fields;
  while (!message.empty()) {
    const auto tag = take_varint(&message);
    if (!tag || *tag >> 3U == 0 || *tag >> 32U != 0) return std::nullopt;
    Field field;
    field.number = static_cast<std::uint32_t>(*tag >> 3U);
    field.type = static_cast<int>(*tag & 7U);
    if (!take_content(&message, &field)) return std::nullopt;
    fields.push_back(field);
  }
  return fields;
}

void put(const Field& field, std::string* out) {
  put_varint(std::uint64_t{field.number} << 3U | static_cast<unsigned>(field.type), out);
  if (field.type == kVarint) {
    put_varint(field.scalar, out);
  } else if (field.type == kBytes) {
    put_varint(field.bytes.size(), out);
    out->append(field.bytes);
  } else {
    for (unsigned i = 0; i < (field.type == kFixed64 ? 8U : 4U); ++i) {
      out->push_back(static_cast<char>(field.scalar >> (8U * i) & 0xFFU));
    }
  }
}

}  // namespace sluice::fuzz
