#include "tests/fuzz/expected_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>

namespace sluice::fuzz {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

// 17 digits tell every double apart.
constexpr std::size_t kDigitsMax = 17;

std::string quoted(std::string_view text) {
  static const std::map<char, std::string> kShort = {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"},
                                                     {'\f', "\\f"}, {'\n', "\\n"},  {'\r', "\\r"},
                                                     {'\t', "\\t"}};
  std::string out = "\"";
  for (const char c : text) {
    const auto found = kShort.find(c);
    if (found != kShort.end()) {
      out += found->second;
    } else if (c >= 0 && c < ' ') {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::size_t count_digits(std::string_view mantissa) {
  std::string digits;
  for (const char c : mantissa) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const std::size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return 1;
  return digits.find_last_not_of('0') - first + 1;
}

// How many digits are needed at most: those of the nearest decimal of that length that reads back.
std::size_t digits_needed(double value) {
  for (std::size_t digits = 1; digits < kDigitsMax; ++digits) {
    const std::string text = fmt::format("{:.{}e}", value, digits - 1);
    if (std::strtod(text.c_str(), nullptr) == value) return digits;
  }
  return kDigitsMax;
}

std::string_view take_digits(std::string_view* text) {
  const std::string_view digits =
      text->substr(0, std::min(text->find_first_not_of("0123456789"), text->size()));
  text->remove_prefix(digits.size());
  return digits;
}

// No plus sign, no idle zeros.
bool has_number_form(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::string_view whole = take_digits(&text);
  if (whole.empty() || (whole.size() > 1 && whole.front() == '0')) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::string_view fraction = take_digits(&text);
    if (fraction.empty() || fraction.back() == '0') return false;
  }
  if (text.starts_with("e+") || text.starts_with("e-")) {
    text.remove_prefix(2);
    const std::string_view exponent = take_digits(&text);
    if (exponent.empty() || exponent.front() == '0') return false;
  }
  return text.empty();
}

// What is wrong with `text` as `value`'s; nothing if all is right.
std::optional<std::string> number_defect(const std::string& text, double value) {
  if (!has_number_form(text)) return "is not of the form of a number";
  if (std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)) !=
      std::bit_cast<std::uint64_t>(value)) {
    return "reads as another number";
  }
  const double magnitude = std::abs(value);
  const bool wants_exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  const std::size_t exponent = text.find('e');
  if ((exponent != std::string::npos) != wants_exponent) return "is not written as Go would";
  if (count_digits(text.substr(0, exponent)) > digits_needed(value)) {
    // Whole numbers that a double holds exactly are written with all of their digits.
    if (magnitude > 0x1p53 || magnitude != std::trunc(magnitude)) return "has too many digits";
  }
  return std::nullopt;
}

class Matcher {
 public:
  explicit Matcher(std::string_view json) : rest_(json) {}

  void match(const Struct& message) {
    std::map<std::string, const Value*> sorted;  // std::string compares bytes
    for (const auto& [key, value] : message.fields()) sorted[key] = &value;
    take("{");
    const char* between = "";
    for (const auto& [key, value] : sorted) {
      take(between + quoted(key) + ":");
      match(*value);
      between = ",";
    }
    take("}");
  }

  void finish() {
    if (!rest_.empty()) differ("nothing more");
  }
  const std::optional<std::string>& difference() const { return difference_; }

 private:
  void match(const Value& value) {
    if (difference_) return;
    switch (value.kind_case()) {
      case Value::kNullValue:
        return take("null");
      case Value::kNumberValue:
        return match(value.number_value());
      case Value::kStringValue:
        return take(quoted(value.string_value()));
      case Value::kBoolValue:
        return take(value.bool_value() ? "true" : "false");
      case Value::kStructValue:
        return match(value.struct_value());
      case Value::kListValue:
        return match(value.list_value());
      case Value::KIND_NOT_SET:
        return differ("a refusal, since a value has no kind");
    }
  }

  void match(const ListValue& list) {
    take("[");
    for (int i = 0; i < list.values_size(); ++i) {
      if (i > 0) take(",");
      match(list.values(i));
    }
    take("]");
  }

  void match(double value) {
    const std::size_t size = std::min(rest_.find_first_not_of("+-.0123456789e"), rest_.size());
    const auto defect = number_defect(std::string(rest_.substr(0, size)), value);
    if (defect) return differ(fmt::format("{} ({})", value, *defect));
    rest_.remove_prefix(size);
  }

  void take(std::string_view text) {
    if (difference_) return;
    if (!rest_.starts_with(text)) return differ(text);
    rest_.remove_prefix(text.size());
  }

  void differ(std::string_view expected) {
    if (difference_) return;
    difference_ = fmt::format("the JSON differs: expected {} at \"{}\"", expected,
                              rest_.substr(0, expected.size() + 40));
  }

  std::string_view rest_;
  std::optional<std::string> difference_;
};

}  // namespace

std::optional<std::string> difference(const Struct& message, std::string_view json) {
  Matcher matcher(json);
  matcher.match(message);
  matcher.finish();
  return matcher.difference();
}

}  // namespace sluice::fuzz
