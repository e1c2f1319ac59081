// How a log may be written. Pure; any thread.
#ifndef SLUICE_COMMON_LOG_FORMAT_H_
#define SLUICE_COMMON_LOG_FORMAT_H_

#include <optional>
#include <string_view>

namespace sluice {

enum class LogFormat {
  kAuto,     // kJournal where stderr is the journal, else kText
  kText,     // a line for people
  kJson,     // an object a line
  kJournal,  // to systemd's journal, with its fields
};

// "auto", "text", "json" or "journal"; nothing: it is none of them.
std::optional<LogFormat> log_format(std::string_view name);

}  // namespace sluice

#endif  // SLUICE_COMMON_LOG_FORMAT_H_
