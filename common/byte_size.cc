#include "common/byte_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace sluice {
namespace {

struct Unit {
  std::string_view name;
  unsigned shift;
};
constexpr std::array kUnits = {Unit{"TiB", 40}, Unit{"GiB", 30}, Unit{"MiB", 20},
                               Unit{"KiB", 10}, Unit{"B", 0},    Unit{"", 0}};
constexpr std::uint64_t kMaxBytes = std::numeric_limits<std::int64_t>::max();

}  // namespace

Result<std::uint64_t> parse_byte_size(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorKind::kConfig, fmt::format("\"{}\" is not a size, such as 65536, 512KiB or "
                                                "16MiB",
                                                text.substr(0, 64)));
  };
  std::uint64_t number = 0;
  const char* const text_end = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), text_end, number);
  if (status != std::errc()) return bad();
  const std::string_view suffix(end, static_cast<std::size_t>(text_end - end));
  const auto* unit =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == suffix; });
  if (unit == kUnits.end() || number > kMaxBytes >> unit->shift) return bad();
  return number << unit->shift;
}

std::string format_byte_size(std::uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    const std::uint64_t unit_bytes = std::uint64_t{1} << unit.shift;
    if (unit.shift != 0 && bytes >= unit_bytes && bytes % unit_bytes == 0) {
      return fmt::format("{}{}", bytes >> unit.shift, unit.name);
    }
  }
  return fmt::format("{}", bytes);
}

}  // namespace sluice
