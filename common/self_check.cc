#include "common/self_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "common/config_report.h"
#include "common/file_access.h"
#include "common/files.h"

namespace sluice {
namespace {

constexpr const char* kConfig = "config";

std::string command_for(const CheckedProgram& program, const ConfigSources& sources) {
  std::string command = program.name + " check";
  if (!sources.instance.empty()) command += " --instance " + sources.instance;
  if (!sources.file.empty()) command += " --config " + sources.file.string();
  return command;
}

std::optional<SystemUser> daemon_user(const std::filesystem::path& own_folder,
                                      const std::string& program) {
  const auto folder = file_access(own_folder);
  if (!folder) return find_user(program);
  // One of a container has no name.
  return find_user(folder->uid)
      .value_or(SystemUser{.name = user_name(folder->uid), .uid = folder->uid, .gid = folder->gid});
}

class Check {
 public:
  Check(const CheckedProgram& program, const SelfCheck& check, const ConfigSources& sources,
        const SelfCheckOptions& options, std::stop_token stop)
      : program_(program),
        check_(check),
        sources_(sources),
        options_(options),
        report_(report_on_config(program.program, sources)),
        context_{.config = report_.config,
                 .clock = system_clock(),
                 .offline = options.offline,
                 .is_daemon_user = true,
                 .as_daemon = "",
                 .stop = std::move(stop)} {}

  FindingReport run() {
    choose_user();
    look_at_config();
    for (const CheckPart& part : check_.parts) look_at(part);
    address_queuectl(&findings_, report_.config);
    FindingReport report{.program = program_.name,
                         .version = program_.version,
                         .instance = report_.config.instance,
                         .config_file = report_.config.file.string(),
                         .checked_at = context_.clock.now(),
                         .findings = std::move(findings_)};
    if (options_.origins) report.settings = std::move(report_.settings);
    return report;
  }

 private:
  // Before any file but the configuration is looked at.
  void choose_user() {
    const auto user = daemon_user(check_.own_folder(report_.config), program_.name);
    if (!user || user->uid == ::geteuid()) return;
    context_.as_daemon =
        fmt::format("sudo {}{}", user->uid == 0 ? "" : fmt::format("-u {} ", user->name),
                    command_for(program_, sources_));
    context_.is_daemon_user = false;
    if (::geteuid() != 0) {
      findings_.push_back(
          not_looked_at("user",
                        fmt::format("looks as {}, but the daemon runs as {}: what only that one "
                                    "may read is left out",
                                    user_name(::geteuid()), user->name),
                        context_.as_daemon));
      return;
    }
    const auto done = become_user(*user);
    context_.is_daemon_user = done.has_value();
    findings_.push_back(
        done ? found_ok("user", fmt::format("looks as {}, whom the daemon runs as", user->name))
             : failure("user", done.error()));
  }

  void look_at_config() {
    for (const Error& mistake : report_.mistakes) findings_.push_back(failure(kConfig, mistake));
    for (const std::string& text : report_.config.warnings) {
      findings_.push_back(warning(kConfig, text));
    }
    if (!report_.mistakes.empty()) return;
    const std::filesystem::path& file = report_.config.file;
    if (file.empty()) {
      findings_.push_back(
          found_ok(kConfig, "no configuration file is given; flags and environment say it all"));
      return;
    }
    if (const auto readable = check_readable(file); !readable) {
      findings_.push_back(
          cannot_look(context_, kConfig, readable.error(), "chgrp sluice and chmod 0640 the file"));
      return;
    }
    findings_.push_back(found_ok(
        kConfig, fmt::format("{}: instance {}, queue {}", file.string(), report_.config.instance,
                             report_.config.queue_path.string())));
  }

  void look_at(const CheckPart& part) {
    const auto wrong = std::ranges::find_if(
        part.settings, [&](std::string_view name) { return report_.unusable.contains(name); });
    if (wrong == part.settings.end()) return part.look(context_, &findings_);
    findings_.push_back(not_looked_at(
        part.check, fmt::format("not looked at, since {} is wrong (see {})", *wrong, kConfig)));
  }

  const CheckedProgram& program_;
  const SelfCheck& check_;
  const ConfigSources& sources_;
  const SelfCheckOptions& options_;
  ConfigReport report_;
  CheckContext context_;
  Findings findings_;
};

}  // namespace

Finding cannot_look(const CheckContext& context, std::string check, const Error& error,
                    std::string what_to_do) {
  if (error.kind == ErrorKind::kCannotCreate && !context.is_daemon_user) {
    return not_looked_at(std::move(check),
                         fmt::format("{} (as {})", error.message, user_name(::geteuid())),
                         context.as_daemon);
  }
  return failure(std::move(check), error, std::move(what_to_do));
}

Finding cannot_open(const CheckContext& context, std::string check, const Error& error) {
  const bool is_denied = error.kind == ErrorKind::kCannotCreate;
  Finding finding = cannot_look(context, std::move(check), error,
                                is_denied ? "make it readable for the user of the daemon, and for "
                                            "nobody else (chown, mode 0400)"
                                          : "correct the path, or what makes that file");
  // A daemon ends with that at its start.
  if (finding.level == FindingLevel::kFail) finding.kind = ErrorKind::kConfig;
  return finding;
}

int run_self_check(const CheckedProgram& program, const SelfCheck& check,
                   const ConfigSources& sources, const SelfCheckOptions& options,
                   std::stop_token stop) {
  const FindingReport report = Check(program, check, sources, options, std::move(stop)).run();
  if (options.is_json) {
    fmt::print("{}", report_json(report));
  } else {
    fmt::print("{}", settings_text(report.settings));
    if (!report.settings.empty()) fmt::print("\n");
    fmt::print("{}", findings_text(report.findings, wants_colours(STDOUT_FILENO)));
  }
  std::fflush(stdout);
  return exit_status(report.findings);
}

}  // namespace sluice
