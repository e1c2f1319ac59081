// How a log entry is written. Pure; any thread.
#ifndef SLUICE_COMMON_LOG_LINES_H_
#define SLUICE_COMMON_LOG_LINES_H_

#include <string>
#include <string_view>

#include "common/log.h"
#include "common/time.h"

namespace sluice {

// What the entries of a process have in common.
struct LogOrigin {
  std::string program;
  std::string instance;  // empty: not known yet
};

// One line with its end: time, level, message.
std::string format_text(const LogEntry& entry, Timestamp time);

// One JSON object and a line end. Bytes that are not UTF-8 become U+FFFD.
std::string format_json(const LogEntry& entry, const LogOrigin& origin, Timestamp time);

// A record of journald's native protocol. It begins with MESSAGE=…, which ends at the first line
// end and is at most kJournalMessageBytesMax long, so that a record always fits into a datagram.
inline constexpr std::size_t kJournalMessageBytesMax = 32U << 10;
std::string format_journal(const LogEntry& entry, const LogOrigin& origin);

// The line by which such a record is told on stderr, where journald reads the priority from the
// prefix.
std::string journal_fallback_line(std::string_view record);

}  // namespace sluice

#endif  // SLUICE_COMMON_LOG_LINES_H_
