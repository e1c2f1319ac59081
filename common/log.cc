#include "common/log.h"

#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "common/journal_sink.h"
#include "common/log_lines.h"
#include "common/message_kinds.h"
#include "common/process_note.h"
#include "common/time.h"

namespace sluice {
namespace {

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

// What is logged is formatted already.
class AsItIs final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    line.append(message.payload.begin(), message.payload.end());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<AsItIs>(); }
};

class SpdlogJournalSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit SpdlogJournalSink(JournalSinkOptions options) : journal_(std::move(options)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    journal_.write(std::string(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

  JournalSink journal_;
};

// One way to log. It is replaced as a whole and never destroyed, since threads and destructors of
// static objects may still log.
struct Output {
  LogFormat format = LogFormat::kText;
  LogOrigin origin;
  bool is_by_stderr = false;  // also if it is for the journal
  std::shared_ptr<spdlog::logger> logger;
};

std::shared_ptr<spdlog::sinks::sink> make_sink(const Output& output) {
  if (output.format != LogFormat::kJournal) {
    return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  JournalSinkOptions options;
  if (output.is_by_stderr) options.socket.clear();
  options.lost_record = [origin = output.origin](std::uint64_t count) {
    const std::string sentence = fmt::format(
        "{} messages before this one are lost, since neither the journal nor stderr took them",
        count);
    return format_journal({message::kMessagesLost, sentence, {.count = count}}, origin);
  };
  return std::make_shared<SpdlogJournalSink>(std::move(options));
}

class Outputs {
 public:
  static Outputs& instance() {
    static auto* const outputs = new Outputs;
    return *outputs;
  }

  const Output& current() const { return *current_; }

  void replace(LogFormat format, LogOrigin origin, LogLevel lowest) {
    const std::lock_guard lock(mutex_);
    use(format, std::move(origin), to_spdlog(lowest));
  }

  void change(LogFormat format, std::string_view instance) {
    const std::lock_guard lock(mutex_);
    const Output& present = *current_;
    if (format == present.format && instance == present.origin.instance) return;
    use(format, {present.origin.program, std::string(instance)}, present.logger->level());
  }

  void change_to_stderr() {
    const std::lock_guard lock(mutex_);
    const Output& present = *current_;
    if (present.is_by_stderr || present.format != LogFormat::kJournal) return;
    use(present.format, present.origin, present.logger->level(), true);
  }

 private:
  Outputs() { use(LogFormat::kText, {"sluice", ""}, spdlog::level::info); }

  void use(LogFormat format, LogOrigin origin, spdlog::level::level_enum lowest,
           bool is_by_stderr = false) {
    auto output = std::make_unique<Output>();
    output->format = format;
    output->is_by_stderr = is_by_stderr;
    output->origin = std::move(origin);
    output->logger = std::make_shared<spdlog::logger>(output->origin.program, make_sink(*output));
    output->logger->set_formatter(std::make_unique<AsItIs>());
    output->logger->set_level(lowest);
    output->logger->flush_on(spdlog::level::debug);
    current_ = output.get();
    all_.push_back(std::move(output));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<const Output>> all_;
  std::atomic<const Output*> current_ = nullptr;
};

bool is_journal(int fd, const char* journal_stream) {
  struct stat status{};
  if (journal_stream == nullptr || ::fstat(fd, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == journal_stream;
}

std::string formatted(const LogEntry& entry, const Output& output) {
  switch (output.format) {
    case LogFormat::kJournal:
      return format_journal(entry, output.origin);
    case LogFormat::kJson:
      return format_json(entry, output.origin, system_clock().now());
    case LogFormat::kAuto:
    case LogFormat::kText:
      break;
  }
  return format_text(entry, system_clock().now());
}

}  // namespace

std::optional<LogFormat> log_format(std::string_view name) {
  if (name == "auto") return LogFormat::kAuto;
  if (name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  if (name == "journal") return LogFormat::kJournal;
  return std::nullopt;
}

LogFormat settle_log_format(LogFormat format, int fd, const char* journal_stream) {
  if (format != LogFormat::kAuto) return format;
  return is_journal(fd, journal_stream) ? LogFormat::kJournal : LogFormat::kText;
}

void init_logging(std::string_view program_name, bool debug) {
  Outputs::instance().replace(
      settle_log_format(LogFormat::kAuto, STDERR_FILENO, std::getenv("JOURNAL_STREAM")),
      {std::string(program_name), ""}, debug ? LogLevel::kDebug : LogLevel::kInfo);
}

void set_log_format(LogFormat format, std::string_view instance) {
  Outputs::instance().change(
      settle_log_format(format, STDERR_FILENO, std::getenv("JOURNAL_STREAM")), instance);
}

void show_debug_lines() {
  Outputs::instance().current().logger->set_level(to_spdlog(LogLevel::kDebug));
}

void log_last_words() { Outputs::instance().change_to_stderr(); }

void silence_log() { Outputs::instance().current().logger->set_level(spdlog::level::off); }

bool log_enabled(LogLevel level) {
  return Outputs::instance().current().logger->should_log(to_spdlog(level));
}

void log_entry(const LogEntry& entry) {
  if (entry.kind.level >= LogLevel::kWarn) note_problem(entry.message);
  const Output& output = Outputs::instance().current();
  const auto level = to_spdlog(entry.kind.level);
  if (output.logger->should_log(level)) output.logger->log(level, formatted(entry, output));
}

}  // namespace sluice
