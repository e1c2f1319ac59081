#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "common/finding.h"
#include "queue/configured_limits.h"
#include "queue/damage_advice.h"
#include "queue/queuectl/check_program.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/diagnosis.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/snapshot.h"

namespace sluice::queue {
namespace {

// The daemons' programs are installed beside this one.
std::filesystem::path program_folder() {
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path() : own.parent_path();
}

class DoctorCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    CLI::App* command =
        parser->add_subcommand("doctor", "what is wrong on this host, and what to do about it");
    command->add_flag("--offline", offline_, "ask nobody over the network");
    return command;
  }

  Result<void> run(const CommandContext& command) override {
    command_ = &command;
    folder_ = program_folder();
    std::vector<Result<CheckProgram>> checks;
    for (const char* name : kDaemons) {
      checks.push_back(CheckProgram::begin(folder_ / fmt::format("sluice-{}", name), arguments()));
    }
    look_at_instance();
    for (std::size_t i = 0; i < kDaemons.size(); ++i) add_report(kDaemons[i], &checks[i]);
    return show();
  }

 private:
  static constexpr std::array<const char*, 2> kDaemons = {"fetcher", "shipper"};

  std::vector<std::string> arguments() const {
    const Config& config = *command_->config;
    std::vector<std::string> words = {"check", "--output", "json", "--queue-path",
                                      config.queue_path.string()};
    if (!config.file.empty()) words.insert(words.end(), {"--config", config.file.string()});
    if (config.instance != "default") words.insert(words.end(), {"--instance", config.instance});
    if (offline_) words.emplace_back("--offline");
    return words;
  }

  // What to run to see everything; empty: we do already.
  std::string see_all() const {
    if (::geteuid() == 0) return {};
    const std::string quoted = address_queuectl("\"queuectl doctor\"", *command_->config);
    return "sudo " + quoted.substr(1, quoted.size() - 2);
  }

  void look_at_instance() {
    const auto snapshot = take_snapshot(command_->access);
    if (!snapshot) {
      Error error = advise_on_instance(snapshot.error(), command_->paths());
      error.message = address_queuectl(std::move(error.message), *command_->config);
      if (error.kind == ErrorKind::kCannotCreate && ::geteuid() != 0) {
        findings_.push_back(not_looked_at("queue", error.message, see_all()));
      } else {
        findings_.push_back(failure("queue", error));
      }
      return;
    }
    auto own = diagnose(*snapshot, look_at_pages(command_->paths()),
                        {.letter_limits = dead_letter_limits(command_->config->shipper),
                         .boot_id = this_machine().boot_id,
                         .see_all = see_all()});
    address_queuectl(&own, *command_->config);
    std::ranges::move(own, std::back_inserter(findings_));
    for (const auto& [name, daemon] :
         {std::pair{kDaemons[0], snapshot->fetcher}, std::pair{kDaemons[1], snapshot->shipper}}) {
      if (daemon.pid == 0) continue;
      findings_.push_back(
          look_at_process(name, daemon.pid, folder_ / fmt::format("sluice-{}", name)));
    }
  }

  // The findings of a daemon's own check, under its name.
  void add_report(const std::string& name, Result<CheckProgram>* check) {
    if (!*check) {
      const Error& error = check->error();
      findings_.push_back(error.kind == ErrorKind::kNotFound
                              ? not_looked_at(name, fmt::format("sluice-{} is not installed here, "
                                                                "so its half is not looked at",
                                                                name))
                              : failure(name, error));
      return;
    }
    auto report = (*check)->finish();
    if (!report) {
      findings_.push_back(failure(name, report.error()));
      return;
    }
    if (report->version != SLUICE_VERSION) {
      findings_.push_back(warning(
          "version",
          fmt::format("sluice-{} is {}, and queuectl {}", name, report->version, SLUICE_VERSION),
          "install the same release of all three"));
    }
    for (Finding& finding : report->findings) {
      // Each says that the other half is the other one's to look at; here both are asked.
      if (finding.check == (name == "fetcher" ? "fluentd" : "teleport")) continue;
      finding.check = fmt::format("{}/{}", name, finding.check);
      findings_.push_back(std::move(finding));
    }
  }

  Result<void> show() {
    const Config& config = *command_->config;
    if (command_->is_json) {
      SLUICE_TRY(print(report_json({.program = "queuectl",
                                    .version = SLUICE_VERSION,
                                    .instance = config.instance,
                                    .config_file = config.file.string(),
                                    .checked_at = system_clock().now(),
                                    .findings = findings_})));
    } else {
      SLUICE_TRY(print(findings_text(findings_, wants_colours(STDOUT_FILENO))));
    }
    const auto first = std::ranges::find(findings_, FindingLevel::kFail, &Finding::level);
    if (first == findings_.end()) return {};
    const auto failures = std::ranges::count(findings_, FindingLevel::kFail, &Finding::level);
    return fail(first->kind, fmt::format("{} of {} findings are FAIL, the first of them: {}",
                                         failures, findings_.size(), first->check));
  }

  bool offline_ = false;
  const CommandContext* command_ = nullptr;
  std::filesystem::path folder_;
  std::vector<Finding> findings_;
};

}  // namespace

std::unique_ptr<Command> doctor_command() { return std::make_unique<DoctorCommand>(); }

}  // namespace sluice::queue
