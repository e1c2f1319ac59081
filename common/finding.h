// What a check has found: one thing that was looked at, how it is, and what to do about it.
//
// Two programs write them (sluice-fetcher check, sluice-shipper check) and a third reads them
// (queuectl doctor), so they have a form for people and one for programs. Value types; any thread.
#ifndef SLUICE_COMMON_FINDING_H_
#define SLUICE_COMMON_FINDING_H_

#include <string>
#include <string_view>
#include <vector>

#include "common/config_report.h"
#include "common/error.h"
#include "common/time.h"

namespace sluice {

enum class FindingLevel {
  kOk,
  kSkipped,  // not looked at, and why
  kWarn,     // it works, but somebody should look
  kFail,     // it does not work like this
};

struct Finding {
  FindingLevel level = FindingLevel::kOk;
  std::string check;       // what was looked at, in one word: "identity"
  std::string text;        // a sentence without its full stop
  std::string what_to_do;  // empty: nothing, or the text says it
  // With kFail: the kind of error that a daemon would end with, or tell of.
  ErrorKind kind = ErrorKind::kInternal;

  bool operator==(const Finding&) const = default;
};

Finding found_ok(std::string check, std::string text);
Finding not_looked_at(std::string check, std::string text, std::string what_to_do = "");
Finding warning(std::string check, std::string text, std::string what_to_do = "");
Finding failure(std::string check, Error error, std::string what_to_do = "");

// All that one program has found.
struct FindingReport {
  std::string program;
  std::string version;
  std::string instance;
  std::string config_file;  // empty: none
  Timestamp checked_at;
  std::vector<Finding> findings;
  std::vector<ResolvedSetting> settings = {};  // empty: not asked for
};

// The exit status that follows: of the first finding that is kFail, 0 if there is none.
int exit_status(const std::vector<Finding>& findings);

// A line a finding, and one more for what to do. Control characters, which may have come from the
// network, are shown as ?.
std::string findings_text(const std::vector<Finding>& findings, bool colours);
// A line a setting: where it comes from, and its value.
std::string settings_text(const std::vector<ResolvedSetting>& settings);

// One object, described in docs/checks.md; `status` as exit_status().
std::string report_json(const FindingReport& report);
// The same back, without the settings. kRejected: it is no such object.
Result<FindingReport> parse_report(std::string_view json);

// As the function of that name for sentences.
void address_queuectl(std::vector<Finding>* findings, const Config& config);

// Whether `fd` is a terminal whose user has not asked for none of them (NO_COLOR, TERM=dumb).
bool wants_colours(int fd);

}  // namespace sluice

#endif  // SLUICE_COMMON_FINDING_H_
