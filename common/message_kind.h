// What all log messages of one kind have in common. The table of them is common/message_kinds.h.
#ifndef SLUICE_COMMON_MESSAGE_KIND_H_
#define SLUICE_COMMON_MESSAGE_KIND_H_

#include <string_view>

namespace sluice {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct MessageKind {
  std::string_view name;  // one word, for people and for filters: "queue-opened"
  LogLevel level = LogLevel::kInfo;
  // 128 bits in hexadecimal, for journald's MESSAGE_ID. Made once, at random, and never changed:
  // `journalctl MESSAGE_ID=…` and people's alarms go by it.
  std::string_view id;
  std::string_view what_to_do;  // for docs/messages.md: a sentence without its full stop
};

}  // namespace sluice

#endif  // SLUICE_COMMON_MESSAGE_KIND_H_
