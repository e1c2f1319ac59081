#include "common/log_lines.h"

#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

constexpr std::string_view kMessageField = "MESSAGE=";
constexpr std::string_view kPriorityField = "\nPRIORITY=";

// The numbers of syslog(3), which journald's PRIORITY and the prefixes of sd-daemon(3) have.
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

std::string escaped(std::string_view message) {
  std::string line;
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

// The same width for each line, which format_rfc3339 would not give.
std::string with_millis(Timestamp time) {
  const std::string seconds = format_rfc3339(Timestamp{time.seconds, 0});
  return fmt::format("{}.{:03}Z", std::string_view(seconds).substr(0, seconds.size() - 1),
                     std::int64_t{time.nanos} / 1'000'000);
}

// From the root of the sources.
std::string_view source_path(std::string_view path) {
  constexpr std::string_view kThisFile = "common/log_lines.cc";
  static const std::size_t root =
      std::string_view(std::source_location::current().file_name()).size() - kThisFile.size();
  return path.size() > root ? path.substr(root) : path;
}

// Calls `put` with the name, in the journal's style, and the value of each field that there is.
template <typename Put>
void for_each_field(const LogEntry& entry, const LogOrigin& origin, const Put& put) {
  const auto put_text = [&put](std::string_view name, std::string_view value) {
    if (!value.empty()) put(name, value);
  };
  const LogFields& fields = entry.fields;
  put_text("MESSAGE_ID", entry.kind.id);
  put_text("SLUICE_KIND", entry.kind.name);
  put_text("SLUICE_INSTANCE", origin.instance);
  put_text("SLUICE_LANE", fields.lane);
  if (fields.sequence) put("SLUICE_SEQUENCE", *fields.sequence);
  put_text("SLUICE_BATCH", fields.batch);
  put_text("SLUICE_EVENT_ID", fields.event_id);
  put_text("SLUICE_SESSION_ID", fields.session_id);
  put_text("SLUICE_CAUSE", fields.cause);
  if (fields.count) put("SLUICE_COUNT", *fields.count);
  put_text("CODE_FILE", source_path(entry.where.file_name()));
  put("CODE_LINE", std::uint64_t{entry.where.line()});
}

// "SLUICE_EVENT_ID" is "event_id" among the members of an object.
std::string member_name(std::string_view field) {
  constexpr std::string_view kOurs = "SLUICE_";
  if (field.starts_with(kOurs)) field.remove_prefix(kOurs.size());
  std::string name;
  for (const char c : field) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name;
}

}  // namespace

std::string format_text(const LogEntry& entry, Timestamp time) {
  return fmt::format("{} {:<5} {}\n", with_millis(time), word(entry.kind.level),
                     escaped(entry.message));
}

std::string format_json(const LogEntry& entry, const LogOrigin& origin, Timestamp time) {
  nlohmann::ordered_json object;
  object["time"] = with_millis(time);
  object["level"] = word(entry.kind.level);
  object["message"] = escaped(entry.message);
  object["program"] = origin.program;
  for_each_field(entry, origin, [&object](std::string_view name, const auto& value) {
    object[member_name(name)] = value;
  });
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

std::string format_journal(const LogEntry& entry, const LogOrigin& origin) {
  std::string record(kMessageField);
  record += std::string_view(escaped(entry.message)).substr(0, kJournalMessageBytesMax);
  record += kPriorityField;
  record += std::to_string(priority(entry.kind.level));
  record += '\n';
  const auto put = [&record](std::string_view name, const auto& value) {
    std::string text = escaped(fmt::format("{}", value));
    if (text.size() > kJournalMessageBytesMax) text.resize(kJournalMessageBytesMax);
    fmt::format_to(std::back_inserter(record), "{}={}\n", name, text);
  };
  put("SYSLOG_IDENTIFIER", origin.program);
  for_each_field(entry, origin, put);
  return record;
}

std::string journal_fallback_line(std::string_view record) {
  const auto end = record.find('\n');
  const std::string_view message = record.substr(kMessageField.size(), end - kMessageField.size());
  return fmt::format("<{}>{}\n", record[end + kPriorityField.size()], message);
}

}  // namespace sluice
