#include "common/finding.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/printable.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

// Changes only when a program that reads the output would have to change.
constexpr int kSchemaVersion = 1;

struct LevelForm {
  FindingLevel level;
  std::string_view label;   // for people
  std::string_view name;    // for programs
  std::string_view colour;  // SGR
};
constexpr std::array<LevelForm, 4> kLevels = {{{FindingLevel::kOk, "ok", "ok", "32"},
                                               {FindingLevel::kSkipped, "--", "skipped", "2"},
                                               {FindingLevel::kWarn, "WARN", "warn", "33"},
                                               {FindingLevel::kFail, "FAIL", "fail", "1;31"}}};

const LevelForm& form_of(FindingLevel level) {
  return *std::ranges::find(kLevels, level, &LevelForm::level);
}

std::optional<ErrorKind> kind_of(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(ErrorKind::kInternal); ++i) {
    if (name_of(static_cast<ErrorKind>(i)) == name) return static_cast<ErrorKind>(i);
  }
  return std::nullopt;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json to_json(const Finding& finding) {
  return {
      {"level", form_of(finding.level).name},
      {"check", finding.check},
      {"text", finding.text},
      {"do", text_or_null(finding.what_to_do)},
      {"kind", finding.level == FindingLevel::kFail ? Json(name_of(finding.kind)) : Json(nullptr)}};
}

Json to_json(const ResolvedSetting& setting) {
  return {{"name", setting.name},
          {"key", text_or_null(setting.key)},
          {"value", setting.value},
          {"from", name_of(setting.from)},
          {"place", text_or_null(setting.place)}};
}

std::string text_of(const Json& object, const char* name) {
  const Json& member = object.at(name);
  return member.is_null() ? std::string() : member.get<std::string>();
}

std::optional<Finding> to_finding(const Json& object) {
  Finding finding{.level = FindingLevel::kOk,
                  .check = text_of(object, "check"),
                  .text = text_of(object, "text"),
                  .what_to_do = text_of(object, "do")};
  const std::string level = text_of(object, "level");
  const auto* known = std::ranges::find(kLevels, level, &LevelForm::name);
  if (known == kLevels.end()) return std::nullopt;
  finding.level = known->level;
  if (finding.level == FindingLevel::kFail) {
    finding.kind = kind_of(text_of(object, "kind")).value_or(ErrorKind::kInternal);
  }
  return finding;
}

}  // namespace

Finding found_ok(std::string check, std::string text) {
  return {.level = FindingLevel::kOk,
          .check = std::move(check),
          .text = std::move(text),
          .what_to_do = {}};
}

Finding not_looked_at(std::string check, std::string text, std::string what_to_do) {
  return {.level = FindingLevel::kSkipped,
          .check = std::move(check),
          .text = std::move(text),
          .what_to_do = std::move(what_to_do)};
}

Finding warning(std::string check, std::string text, std::string what_to_do) {
  return {.level = FindingLevel::kWarn,
          .check = std::move(check),
          .text = std::move(text),
          .what_to_do = std::move(what_to_do)};
}

Finding failure(std::string check, Error error, std::string what_to_do) {
  return {.level = FindingLevel::kFail,
          .check = std::move(check),
          .text = std::move(error.message),
          .what_to_do = std::move(what_to_do),
          .kind = error.kind};
}

int exit_status(const std::vector<Finding>& findings) {
  const auto first = std::ranges::find(findings, FindingLevel::kFail, &Finding::level);
  return first == findings.end() ? 0 : exit_status(first->kind);
}

std::string findings_text(const std::vector<Finding>& findings, bool colours) {
  std::size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.check.size());
  std::string text;
  for (const Finding& finding : findings) {
    const LevelForm& form = form_of(finding.level);
    const std::string label = fmt::format("{:<4}", form.label);
    text += colours ? fmt::format("\x1b[{}m{}\x1b[0m", form.colour, label) : label;
    text += fmt::format("  {:<{}}  {}\n", finding.check, width, printable(finding.text));
    if (finding.what_to_do.empty()) continue;
    text += fmt::format("{:{}}do: {}\n", "", width + 8, printable(finding.what_to_do));
  }
  return text;
}

std::string settings_text(const std::vector<ResolvedSetting>& settings) {
  std::size_t name_width = 0;
  std::size_t place_width = 0;
  const auto name = [](const ResolvedSetting& setting) {
    return setting.key.empty() ? "--" + setting.name : setting.key;
  };
  const auto place = [](const ResolvedSetting& setting) {
    return setting.place.empty() ? std::string(name_of(setting.from)) : setting.place;
  };
  for (const ResolvedSetting& setting : settings) {
    name_width = std::max(name_width, name(setting).size());
    place_width = std::max(place_width, place(setting).size());
  }
  std::string text;
  for (const ResolvedSetting& setting : settings) {
    text += fmt::format("{:<{}}  {:<{}}  {}\n", name(setting), name_width, place(setting),
                        place_width, printable(setting.value));
  }
  return text;
}

std::string report_json(const FindingReport& report) {
  Json json = {{"schema", kSchemaVersion},
               {"program", report.program},
               {"version", report.version},
               {"instance", report.instance},
               {"config_file", text_or_null(report.config_file)},
               {"checked_at", format_rfc3339({report.checked_at.seconds, 0})},
               {"status", exit_status(report.findings)},
               {"findings", Json::array()}};
  for (const Finding& finding : report.findings) json["findings"].push_back(to_json(finding));
  if (!report.settings.empty()) {
    json["settings"] = Json::array();
    for (const auto& setting : report.settings) json["settings"].push_back(to_json(setting));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<FindingReport> parse_report(std::string_view text) {
  const auto refuse = [] { return fail(ErrorKind::kRejected, "this is no report of a check"); };
  try {
    const Json json = Json::parse(text);
    if (json.at("schema") != kSchemaVersion) return refuse();
    const auto checked_at = parse_rfc3339(text_of(json, "checked_at"));
    if (!checked_at) return refuse();
    FindingReport report{.program = text_of(json, "program"),
                         .version = text_of(json, "version"),
                         .instance = text_of(json, "instance"),
                         .config_file = text_of(json, "config_file"),
                         .checked_at = *checked_at,
                         .findings = {}};
    for (const Json& object : json.at("findings")) {
      auto finding = to_finding(object);
      if (!finding) return refuse();
      report.findings.push_back(std::move(*finding));
    }
    return report;
  } catch (const Json::exception&) {
    return refuse();
  }
}

void address_queuectl(std::vector<Finding>* findings, const Config& config) {
  for (Finding& finding : *findings) {
    finding.text = address_queuectl(std::move(finding.text), config);
    finding.what_to_do = address_queuectl(std::move(finding.what_to_do), config);
  }
}

bool wants_colours(int fd) {
  const char* none = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool is_refused = none != nullptr && *none != '\0';
  const bool is_dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  return !is_refused && !is_dumb && ::isatty(fd) == 1;
}

}  // namespace sluice
