// The log of a program, on stderr or in systemd's journal.
//
//   2026-11-23T02:58:41.123Z info  queue 7f3c-91ab opened, epoch 9      text: on a terminal, in a
//   file
//   {"time":"2026-11-23T02:58:41.123Z","level":"info", … }              JSON: an object a line
//   MESSAGE=queue 7f3c-91ab opened, epoch 9   PRIORITY=6   …            the journal, with its
//   fields
//
// Each message is of a kind (common/message_kinds.h), which gives its level and says what to do,
// and may have fields, which are for filters: what a person has to know is in the sentence.
//
// The journal is used, unless the format is chosen, if stderr is what systemd has connected to it.
// A journal that does not take a message is given up quickly; the message then goes to stderr, as a
// line with its priority in front, and is lost and counted if that is not taken either.
//
// Control characters in a message are written as \n or \x1b, so that a line is always one line and
// text from the network cannot look like another message.
//
// All functions may be called from any thread, before init_logging too (then as on a terminal,
// without debug lines). Logging never fails and, in the journal, never takes long.
#ifndef SLUICE_COMMON_LOG_H_
#define SLUICE_COMMON_LOG_H_

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/log_format.h"
#include "common/message_kind.h"

namespace sluice {

// What kAuto means: the journal if `journal_stream`, which systemd sets as DEVICE:INODE in
// $JOURNAL_STREAM, is what `fd` writes to, else text. A program that was started below a unit with
// its stderr elsewhere inherits the variable, so that its presence alone says nothing.
LogFormat settle_log_format(LogFormat format, int fd, const char* journal_stream);

// What a message is about; empty ones are left out.
struct LogFields {
  std::string_view lane = {};  // "audit" or "session"
  std::optional<std::uint64_t> sequence = {};
  std::string_view batch = {};  // its first and last sequence number: "17-516"
  std::string_view event_id = {};
  std::string_view session_id = {};
  std::string_view cause = {};              // of a trouble that is over: the name of its kind
  std::optional<std::uint64_t> count = {};  // how often it happened
};

// All that is known of one message. Views: only for the time of a call.
struct LogEntry {
  const MessageKind& kind;
  std::string_view message;
  LogFields fields = {};
  std::source_location where = std::source_location::current();
};

// Where entries go: the log, or a test.
using LogSink = std::function<void(const LogEntry&)>;

// To be called once, before other threads exist. `program_name` is in the journal's and JSON's
// fields.
void init_logging(std::string_view program_name, bool debug);

// As the configuration has it: format, and the instance for the fields. May be called while other
// threads log.
void set_log_format(LogFormat format, std::string_view instance);

// From now on there are debug lines as well. May be called while other threads log.
void show_debug_lines();

// From now on what would go to the journal goes to it by way of stderr, without fields. For the
// last words of a process: journald looks up who has sent a record only after it has come, and
// takes it for nobody's if the sender is gone by then, so that `systemctl status` and `journalctl
// -u` would not show it. May be called while other threads log.
void log_last_words();

// From now on nothing is logged: for a command that prints what it finds, once for all.
void silence_log();

bool log_enabled(LogLevel level);

// Writes one entry as it is, without formatting.
void log_entry(const LogEntry& entry);

// A format string and where it was written.
template <typename... Args>
struct LocatedFormat {
  template <typename Text>
    requires std::is_convertible_v<const Text&, std::string_view>
  consteval LocatedFormat(  // NOLINT(google-explicit-constructor): stands for its text
      const Text& format, std::source_location call = std::source_location::current())
      : text(format), where(call) {}

  fmt::format_string<Args...> text;
  std::source_location where;
};

//   log_message(message::kQueueOpened, {}, "queue {} opened, epoch {}", id, epoch);
template <typename... Args>
void log_message(const MessageKind& kind, const LogFields& fields,
                 LocatedFormat<std::type_identity_t<Args>...> format, Args&&... args) {
  if (!log_enabled(kind.level)) return;
  log_entry({kind, fmt::format(format.text, std::forward<Args>(args)...), fields, format.where});
}

// Of lines that help to find a fault, and have no kind of their own.
inline constexpr MessageKind kDebugLine{"debug", LogLevel::kDebug, "", "nothing"};

template <typename... Args>
void log_debug(LocatedFormat<std::type_identity_t<Args>...> format, Args&&... args) {
  log_message(kDebugLine, {}, format, std::forward<Args>(args)...);
}

}  // namespace sluice

#endif  // SLUICE_COMMON_LOG_H_
