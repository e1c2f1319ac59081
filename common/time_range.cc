#include "common/time_range.h"

#include <fmt/format.h>

namespace sluice {

Result<TimeRange> parse_time_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto from = parse_rfc3339(text.substr(0, slash));
  const auto to =
      slash == std::string_view::npos ? parse_rfc3339("") : parse_rfc3339(text.substr(slash + 1));
  if (!from || !to) {
    return fail(ErrorKind::kRejected,
                fmt::format("is \"{}\", but must be FROM/TO with RFC 3339 times, such as "
                            "\"2026-11-01T00:00:00Z/2026-11-02T00:00:00Z\"",
                            text));
  }
  if (*from >= *to) {
    return fail(ErrorKind::kRejected, fmt::format("is \"{}\", which ends before it begins", text));
  }
  return TimeRange{.from = *from, .to = *to};
}

std::string format_time_range(const TimeRange& range) {
  return format_rfc3339(range.from) + "/" + format_rfc3339(range.to);
}

}  // namespace sluice
