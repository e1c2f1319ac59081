#include "common/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>

namespace sluice {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

std::int64_t floor_div(std::int64_t value, std::int64_t divisor) {
  return value / divisor - ((value % divisor != 0 && (value < 0) != (divisor < 0)) ? 1 : 0);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads exactly `count` digits off the front.
std::optional<int> take_digits(std::string_view* text, std::size_t count) {
  if (text->size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit((*text)[i])) return std::nullopt;
    value = value * 10 + ((*text)[i] - '0');
  }
  text->remove_prefix(count);
  return value;
}

bool take(std::string_view* text, std::string_view any_of) {
  if (text->empty() || any_of.find(text->front()) == std::string_view::npos) return false;
  text->remove_prefix(1);
  return true;
}

// ".123" as nanoseconds; digits past the ninth are cut. Absent: 0. Malformed: nothing.
std::optional<std::uint32_t> take_fraction(std::string_view* text) {
  if (!take(text, ".,")) return 0;
  if (text->empty() || !is_digit(text->front())) return std::nullopt;
  std::uint32_t nanos = 0;
  int digits = 0;
  while (!text->empty() && is_digit(text->front())) {
    if (digits < 9) {
      nanos = nanos * 10 + static_cast<std::uint32_t>(text->front() - '0');
      ++digits;
    }
    text->remove_prefix(1);
  }
  for (; digits < 9; ++digits) nanos *= 10;
  return nanos;
}

// "Z" or "+02:00" as seconds east of Greenwich.
std::optional<int> take_offset(std::string_view* text) {
  if (take(text, "zZ")) return 0;
  if (text->empty() || (text->front() != '+' && text->front() != '-')) return std::nullopt;
  const int sign = text->front() == '-' ? -1 : 1;
  text->remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours || !take(text, ":")) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

std::optional<std::chrono::sys_days> take_date(std::string_view* text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<Timestamp> try_parse_rfc3339(std::string_view text) {
  const auto date = take_date(&text);
  if (!date || !take(&text, "Tt ")) return std::nullopt;
  const auto hour = take_digits(&text, 2);
  if (!hour || !take(&text, ":")) return std::nullopt;
  const auto minute = take_digits(&text, 2);
  if (!minute || !take(&text, ":")) return std::nullopt;
  const auto second = take_digits(&text, 2);
  // A leap second (:60) is read as the first second of the next minute.
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto nanos = take_fraction(&text);
  if (!nanos) return std::nullopt;
  const auto offset = take_offset(&text);
  if (!offset || !text.empty()) return std::nullopt;
  const std::int64_t days = date->time_since_epoch().count();
  return Timestamp{days * kSecondsPerDay + *hour * 3600 + *minute * 60 + *second - *offset, *nanos};
}

std::chrono::year_month_day to_date(Day day) {
  return std::chrono::year_month_day(std::chrono::sys_days(std::chrono::days(day)));
}

struct Unit {
  std::string_view name;
  double milliseconds;
};
// Longest names first, so that "ms" is not read as minutes.
constexpr std::array kUnits = {Unit{"ms", 1},    Unit{"us", 1e-3},     Unit{"µs", 1e-3},
                               Unit{"ns", 1e-6}, Unit{"s", 1000},      Unit{"m", 60'000},
                               Unit{"h", 3.6e6}, Unit{"d", 86'400'000}};
constexpr double kDurationMaxMs = 100.0 * 366 * 86'400'000;

class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    timespec ts{};
    ::clock_gettime(CLOCK_REALTIME, &ts);
    return Timestamp{ts.tv_sec, static_cast<std::uint32_t>(ts.tv_nsec)};
  }
  std::chrono::milliseconds monotonic() const override { return read(CLOCK_MONOTONIC); }
  std::chrono::milliseconds boottime() const override { return read(CLOCK_BOOTTIME); }

 private:
  static std::chrono::milliseconds read(clockid_t clock) {
    timespec ts{};
    ::clock_gettime(clock, &ts);
    return std::chrono::milliseconds(ts.tv_sec * 1000 + ts.tv_nsec / 1'000'000);
  }
};

}  // namespace

Day day_of(Timestamp time) { return static_cast<Day>(floor_div(time.seconds, kSecondsPerDay)); }

Timestamp start_of_day(Day day) { return Timestamp{std::int64_t{day} * kSecondsPerDay, 0}; }

Timestamp add_seconds(Timestamp time, std::int64_t seconds) {
  return Timestamp{time.seconds + seconds, time.nanos};
}

Result<Timestamp> parse_rfc3339(std::string_view text) {
  const auto parsed = try_parse_rfc3339(text);
  if (!parsed) {
    return fail(ErrorKind::kRejected,
                fmt::format("\"{}\" is not a time with a zone, such as 2026-11-23T02:58:41Z",
                            text.substr(0, 64)));
  }
  return *parsed;
}

std::string format_rfc3339(Timestamp time) {
  const Day day = day_of(time);
  const auto date = to_date(day);
  const auto second = static_cast<int>(time.seconds - std::int64_t{day} * kSecondsPerDay);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  second / 3600, second / 60 % 60, second % 60);
  if (time.nanos % 1'000 != 0) {
    text += fmt::format(".{:09}", time.nanos);
  } else if (time.nanos % 1'000'000 != 0) {
    text += fmt::format(".{:06}", time.nanos / 1'000);
  } else if (time.nanos != 0) {
    text += fmt::format(".{:03}", time.nanos / 1'000'000);
  }
  return text + "Z";
}

std::string format_day(Day day) {
  const auto date = to_date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

Result<Day> parse_day(std::string_view text) {
  std::string_view rest = text;
  const auto date = take_date(&rest);
  if (!date || !rest.empty()) {
    return fail(ErrorKind::kUsage,
                fmt::format("\"{}\" is not a day, such as 2026-11-23", text.substr(0, 64)));
  }
  return static_cast<Day>(date->time_since_epoch().count());
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorKind::kConfig,
                fmt::format("\"{}\" is not a duration, such as 500ms, 5s, 1h30m or 7d",
                            text.substr(0, 64)));
  };
  if (text == "0") return std::chrono::milliseconds(0);
  double total_ms = 0;
  std::string_view rest = text;
  if (rest.empty()) return bad();
  while (!rest.empty()) {
    double number = 0;
    const auto [end, status] =
        std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (status != std::errc() || number < 0) return bad();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const auto* unit = std::find_if(kUnits.begin(), kUnits.end(),
                                    [&](const Unit& u) { return rest.starts_with(u.name); });
    if (unit == kUnits.end()) return bad();
    rest.remove_prefix(unit->name.size());
    total_ms += number * unit->milliseconds;
  }
  if (!(total_ms <= kDurationMaxMs)) return bad();
  // Rounded, since 1.001 s is a little less than 1001 ms in binary.
  return std::chrono::milliseconds(std::llround(total_ms));
}

std::string format_duration(std::chrono::milliseconds duration) {
  const std::int64_t ms = duration.count();
  if (ms < 0) return "-" + format_duration(-duration);
  if (ms < 1000) return fmt::format("{}ms", ms);
  const std::int64_t s = ms / 1000;
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) {
    return s < 600 && s % 60 != 0 ? fmt::format("{}m {}s", s / 60, s % 60)
                                  : fmt::format("{}m", s / 60);
  }
  if (s < kSecondsPerDay) {
    return s / 60 % 60 != 0 ? fmt::format("{}h {}m", s / 3600, s / 60 % 60)
                            : fmt::format("{}h", s / 3600);
  }
  return s / 3600 % 24 != 0 ? fmt::format("{}d {}h", s / kSecondsPerDay, s / 3600 % 24)
                            : fmt::format("{}d", s / kSecondsPerDay);
}

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

Timestamp from_unix_ms(std::int64_t unix_ms) {
  const std::int64_t seconds = floor_div(unix_ms, 1000);
  return Timestamp{seconds, static_cast<std::uint32_t>((unix_ms - seconds * 1000) * 1'000'000)};
}

}  // namespace sluice
