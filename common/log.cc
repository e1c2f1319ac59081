#include "common/log.h"

#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iterator>
#include <memory>

namespace sluice {
namespace {

// The numbers of syslog(3), which sd-daemon(3) has in its prefixes.
int priority(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 7;
    case LogLevel::kInfo:
      return 6;
    case LogLevel::kWarn:
      return 4;
    case LogLevel::kError:
      break;
  }
  return 3;
}

std::string_view word(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      break;
  }
  return "error";
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

LogLevel from_spdlog(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::kDebug;
  if (level == spdlog::level::info) return LogLevel::kInfo;
  return level == spdlog::level::warn ? LogLevel::kWarn : LogLevel::kError;
}

class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(LogStyle style) : style_(style) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const auto since_1970 = std::chrono::floor<std::chrono::milliseconds>(message.time);
    const std::string text = format_log_line(
        style_, from_spdlog(message.level), from_unix_ms(since_1970.time_since_epoch().count()),
        std::string_view(message.payload.data(), message.payload.size()));
    line.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(style_);
  }

 private:
  LogStyle style_;
};

std::shared_ptr<spdlog::logger> make_logger(std::string name, LogStyle style, LogLevel lowest) {
  auto logger = std::make_shared<spdlog::logger>(std::move(name),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<LineFormatter>(style));
  logger->set_level(to_spdlog(lowest));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

std::shared_ptr<spdlog::logger>& the_logger() {
  // Not destroyed at exit, since threads and destructors of static objects may still log.
  static auto* const logger =
      new std::shared_ptr(make_logger("sluice", LogStyle::kText, LogLevel::kInfo));
  return *logger;
}

void append_escaped(std::string_view message, std::string* line) {
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      *line += "\\n";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      fmt::format_to(std::back_inserter(*line), "\\x{:02x}", byte);
    } else {
      *line += c;
    }
  }
}

}  // namespace

void init_logging(std::string_view program_name, bool debug) {
  the_logger() = make_logger(std::string(program_name),
                             choose_log_style(STDERR_FILENO, std::getenv("JOURNAL_STREAM")),
                             debug ? LogLevel::kDebug : LogLevel::kInfo);
}

void show_debug_lines() { the_logger()->set_level(to_spdlog(LogLevel::kDebug)); }

bool log_enabled(LogLevel level) { return the_logger()->should_log(to_spdlog(level)); }

void log_line(LogLevel level, std::string_view message) {
  the_logger()->log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

LogStyle choose_log_style(int fd, const char* journal_stream) {
  struct stat status{};
  if (journal_stream == nullptr || ::fstat(fd, &status) != 0) return LogStyle::kText;
  const bool same = fmt::format("{}:{}", status.st_dev, status.st_ino) == journal_stream;
  return same ? LogStyle::kJournal : LogStyle::kText;
}

std::string format_log_line(LogStyle style, LogLevel level, Timestamp time,
                            std::string_view message) {
  std::string line;
  if (style == LogStyle::kJournal) {
    line = fmt::format("<{}>", priority(level));
  } else {
    const std::int64_t millis = time.nanos / 1'000'000;
    // The same width for each line, which format_rfc3339 would not give.
    const std::string seconds = format_rfc3339(Timestamp{time.seconds, 0});
    line = fmt::format("{}.{:03}Z {:<5} ", std::string_view(seconds).substr(0, seconds.size() - 1),
                       millis, word(level));
  }
  append_escaped(message, &line);
  line += '\n';
  return line;
}

}  // namespace sluice
