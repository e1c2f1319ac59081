// Logs a failure that repeats, without filling the log.
//
// The first failure is logged at once, and so is each new reason. The same reason again is only
// counted, and summed up after a minute, then after two more, four, and so on, at least once an
// hour; the first success is logged with how long it lasted and how often it was. Alternating
// reasons do not get around this: between two sums a reason is logged once, and no more than
// kTextsMax are. Nor does a failure that comes and goes: for kSettled after it was seen last it is
// the same one, and its end is logged only if its return was.
//
//   warn  Fluentd takes no events: connection refused
//   warn  Fluentd takes no events: connection refused (12 times in 1m)
//   info  Fluentd takes no events: this is over after 41m, 212 times
//
// What happens rather than lasts (an event is refused) is told in the same way, without an end.
//
// Thread-safe.
#ifndef SLUICE_COMMON_REPEATED_MESSAGE_H_
#define SLUICE_COMMON_REPEATED_MESSAGE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "common/time.h"

namespace sluice {

class RepeatedMessage {
 public:
  static constexpr std::size_t kTextsMax = 8;
  static constexpr std::chrono::milliseconds kSummaryIntervalMin = std::chrono::minutes(1);
  static constexpr std::chrono::milliseconds kSummaryIntervalMax = std::chrono::hours(1);
  static constexpr std::chrono::milliseconds kSettled = std::chrono::minutes(10);

  // `subject` says what fails. `kind` and `clock` must outlive this.
  RepeatedMessage(const MessageKind& kind, std::string subject, const Clock& clock = system_clock(),
                  LogSink sink = log_entry);

  // It failed, for this reason. `detail` is what differs from one time to the next: it is logged,
  // and makes no new reason. Whether something was logged.
  bool failed(std::string_view reason, const LogFields& fields = {}, std::string_view detail = {},
              std::source_location where = std::source_location::current());

  // It works. Does nothing if it did not fail before, so that it may be called each time.
  void succeeded(const LogFields& fields = {},
                 std::source_location where = std::source_location::current());

 private:
  void begin(std::chrono::milliseconds now);

  const MessageKind& kind_;
  const std::string subject_;
  const Clock& clock_;
  const LogSink sink_;

  std::mutex mutex_;
  std::uint64_t count_ = 0;  // of failures since it began; 0: it never did
  bool is_told_ = false;     // the last that was logged is that it fails
  std::chrono::milliseconds first_{};
  std::chrono::milliseconds last_{};
  std::chrono::milliseconds last_summary_{};
  std::chrono::milliseconds summary_interval_{};
  std::vector<std::string> texts_;  // logged since the last summary
};

}  // namespace sluice

#endif  // SLUICE_COMMON_REPEATED_MESSAGE_H_
