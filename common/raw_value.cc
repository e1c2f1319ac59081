#include "common/raw_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace sluice {
namespace {

constexpr std::size_t kShownMax = 64;

std::string shown(const std::string& text) {
  std::string short_text = text.substr(0, kShownMax);
  std::ranges::replace_if(
      short_text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  if (text.size() > kShownMax) short_text += "…";
  return short_text;
}

}  // namespace

std::string describe(const RawValue& value) {
  switch (value.kind) {
    case RawValue::Kind::kText:
      return fmt::format("\"{}\"", shown(value.text));
    case RawValue::Kind::kString:
      return fmt::format("the string \"{}\"", shown(value.text));
    case RawValue::Kind::kInteger:
      return fmt::format("the integer {}", value.text);
    case RawValue::Kind::kFloat:
      return fmt::format("the number {}", value.text);
    case RawValue::Kind::kBoolean:
      return value.text;
    case RawValue::Kind::kTime:
      return fmt::format("the time {}", value.text);
    case RawValue::Kind::kArray:
      return "an array";
    case RawValue::Kind::kTable:
      break;
  }
  return "a table";
}

}  // namespace sluice
