// Times, days and durations, and the clock that tests replace.
//
// All functions are pure and may be called from any thread. Days are whole UTC days since
// 1970-01-01, so an event's day is the same on every machine.
#ifndef SLUICE_COMMON_TIME_H_
#define SLUICE_COMMON_TIME_H_

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice {

// A moment as protobuf's Timestamp has it: seconds since 1970-01-01T00:00:00Z (may be negative:
// Go's zero time is in the year 1) and 0..999'999'999 nanoseconds after that second.
struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanos = 0;
  auto operator<=>(const Timestamp&) const = default;
};

// The years 1 to 9999, which is what protobuf's Timestamp may say. What comes from outside is held
// against them: others could not be counted in milliseconds.
inline constexpr std::int64_t kTimestampSecondsMin = -62'135'596'800;
inline constexpr std::int64_t kTimestampSecondsMax = 253'402'300'799;

// A UTC day as a count of days since 1970-01-01.
using Day = std::int32_t;

Day day_of(Timestamp time);
Timestamp start_of_day(Day day);
Timestamp add_seconds(Timestamp time, std::int64_t seconds);

// Parses RFC 3339 ("2026-11-23T02:58:41.123456789Z", any offset, up to 9 fraction digits, more are
// cut). A time without a zone is an error (kRejected), since it would mean another moment on
// another machine.
Result<Timestamp> parse_rfc3339(std::string_view text);

// "2026-11-23T02:58:41Z", with as many of 3, 6 or 9 fraction digits as are needed.
std::string format_rfc3339(Timestamp time);

// "2026-11-23".
std::string format_day(Day day);
Result<Day> parse_day(std::string_view text);

// Go's notation, which upstream's configuration uses: "5s", "1h30m", "250ms", "24h", and "7d"
// besides. An error (kConfig) for no unit, a negative value, or more than 100 years.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// "3d 4h", "41m", "12s", "250ms": the two largest units at most, for people.
std::string format_duration(std::chrono::milliseconds duration);

// Where the time comes from. Thread-safe. Tests use their own.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  // Does not jump, counts only while the machine is up.
  virtual std::chrono::milliseconds monotonic() const = 0;
  // Time since the machine was booted, suspended time included; does not jump.
  virtual std::chrono::milliseconds boottime() const { return monotonic(); }
};

const Clock& system_clock();

inline std::int64_t to_unix_ms(Timestamp time) {
  return time.seconds * 1000 + static_cast<std::int64_t>(time.nanos / 1'000'000);
}
Timestamp from_unix_ms(std::int64_t unix_ms);

}  // namespace sluice

#endif  // SLUICE_COMMON_TIME_H_
