// The log of a program: lines on stderr.
//
//   2026-11-23T02:58:41.123Z info  queue opened, epoch 9          on a terminal, in a file or a
//   pipe <6>queue opened, epoch 9                                      into systemd's journal
//
// The journal adds the time and the program itself, and takes the severity from the prefix. Control
// characters in a message are written as \n or \x1b, so that a line is always one line and text
// from the network cannot look like another message.
//
// All functions may be called from any thread, before init_logging too (then as on a terminal,
// without debug lines). Logging never fails: what cannot be written is lost.
#ifndef SLUICE_COMMON_LOG_H_
#define SLUICE_COMMON_LOG_H_

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "common/time.h"

namespace sluice {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

enum class LogStyle { kText, kJournal };

// To be called once, before other threads exist. Lines do not repeat `program_name`: it names the
// logger, which the logging library's own complaints mention.
void init_logging(std::string_view program_name, bool debug);

// From now on there are debug lines as well. May be called while other threads log.
void show_debug_lines();

bool log_enabled(LogLevel level);

// Writes one line as it is, without formatting.
void log_line(LogLevel level, std::string_view message);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kDebug)) {
    log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
}

template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarn, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

// The journal's style if `journal_stream`, which systemd sets as DEVICE:INODE in $JOURNAL_STREAM,
// is what `fd` writes to. A program that was started below a unit with its stderr elsewhere
// inherits the variable, so that its presence alone says nothing.
LogStyle choose_log_style(int fd, const char* journal_stream);

// One line with its end.
std::string format_log_line(LogStyle style, LogLevel level, Timestamp time,
                            std::string_view message);

}  // namespace sluice

#endif  // SLUICE_COMMON_LOG_H_
