// Logs a failure that repeats, without filling the log.
//
// The first failure is logged at once, and so is each new text. The same text again is only
// counted, and summed up at most once a minute; the first success after it is logged with how long
// it lasted. Alternating texts do not get around this: within a minute, a text is logged once, and
// no more than kTextsMax texts are.
//
//   warn  Fluentd takes no events: connection refused
//   warn  Fluentd takes no events: connection refused (12 times in 1m)
//   info  Fluentd takes no events: this is over after 41m, 212 times
//
// Thread-safe.
#ifndef SLUICE_COMMON_REPEATED_MESSAGE_H_
#define SLUICE_COMMON_REPEATED_MESSAGE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "common/time.h"

namespace sluice {

class RepeatedMessage {
 public:
  static constexpr std::size_t kTextsMax = 8;
  static constexpr std::chrono::milliseconds kSummaryInterval{60'000};

  using Sink = std::function<void(LogLevel, std::string_view)>;

  // `subject` says what fails, `level` is that of the failures. `clock` must outlive this.
  explicit RepeatedMessage(std::string subject, LogLevel level = LogLevel::kWarn,
                           const Clock& clock = system_clock(), Sink sink = log_line);

  // It failed, for this reason.
  void failed(std::string_view reason);

  // It works. Does nothing if it did not fail before, so that it may be called each time.
  void succeeded();

 private:
  const std::string subject_;
  const LogLevel level_;
  const Clock& clock_;
  const Sink sink_;

  std::mutex mutex_;
  std::uint64_t count_ = 0;  // of failures since the last success; 0: it works
  std::chrono::milliseconds first_{};
  std::chrono::milliseconds last_summary_{};
  std::vector<std::string> texts_;  // logged since the last summary
};

}  // namespace sluice

#endif  // SLUICE_COMMON_REPEATED_MESSAGE_H_
