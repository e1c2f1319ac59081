#include "fetcher/transcode/json_number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "common/check.h"

namespace sluice::fetcher {
namespace {

// Doubles up to here hold every whole number exactly, so that the integer's own digits are right.
constexpr double kWholeMax = 9007199254740992.0;  // 2^53

// A number as std::to_chars writes it in scientific form, taken apart: 0.DDD × 10^point.
struct Decimal {
  std::array<char, 20> digits{};
  std::size_t count = 0;
  int point = 0;  // how many digits stand before the decimal point; may be 0 or less
};

// The shortest digits of a positive, finite number.
Decimal shortest_digits(double value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific);
  SLUICE_CHECK(end.ec == std::errc(), "a double fits into 32 characters");
  const std::string_view written(text.data(), static_cast<std::size_t>(end.ptr - text.data()));
  const std::size_t mark = written.find('e');
  Decimal decimal;
  for (const char c : written.substr(0, mark)) {
    if (c != '.') decimal.digits[decimal.count++] = c;
  }
  int exponent = 0;
  const char* from = written.data() + mark + (written[mark + 1] == '+' ? 2 : 1);
  std::from_chars(from, written.data() + written.size(), exponent);
  decimal.point = exponent + 1;
  return decimal;
}

void append_fixed(const Decimal& decimal, std::string* out) {
  const std::string_view digits(decimal.digits.data(), decimal.count);
  if (decimal.point <= 0) {
    out->append("0.");
    out->append(static_cast<std::size_t>(-decimal.point), '0');
    out->append(digits);
    return;
  }
  const auto whole = static_cast<std::size_t>(decimal.point);
  if (whole >= digits.size()) {
    out->append(digits);
    out->append(whole - digits.size(), '0');
    return;
  }
  out->append(digits.substr(0, whole));
  out->push_back('.');
  out->append(digits.substr(whole));
}

void append_with_exponent(const Decimal& decimal, std::string* out) {
  const std::string_view digits(decimal.digits.data(), decimal.count);
  out->push_back(digits.front());
  if (digits.size() > 1) {
    out->push_back('.');
    out->append(digits.substr(1));
  }
  const int exponent = decimal.point - 1;
  out->append(exponent < 0 ? "e" : "e+");
  out->append(std::to_string(exponent));
}

}  // namespace

bool append_json_number(double value, std::string* out) {
  if (!std::isfinite(value)) return false;
  if (std::signbit(value)) out->push_back('-');
  const double magnitude = std::abs(value);
  if (magnitude <= kWholeMax && magnitude == std::trunc(magnitude)) {
    std::array<char, 24> text{};
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), static_cast<std::int64_t>(magnitude));
    out->append(text.data(), end.ptr);
    return true;
  }
  const Decimal decimal = shortest_digits(magnitude);
  if (magnitude < 1e-6 || magnitude >= 1e21) {
    append_with_exponent(decimal, out);
  } else {
    append_fixed(decimal, out);
  }
  return true;
}

}  // namespace sluice::fetcher
