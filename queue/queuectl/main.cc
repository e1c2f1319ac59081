// queuectl: looks into an instance's queue and changes what may be changed, while the daemons run
// and while they do not.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "common/config.h"
#include "common/describe.h"
#include "common/error.h"
#include "queue/damage_advice.h"
#include "queue/queuectl/access.h"
#include "queue/queuectl/command.h"

namespace sluice::queue {
namespace {

// What every subcommand accepts, before its name or behind.
struct CommonOptions {
  std::string config;
  std::string instance;
  std::string queue_path;
  std::string output = "table";
};

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(status_command());
  commands.push_back(peek_command());
  commands.push_back(report_command());
  commands.push_back(trace_command());
  commands.push_back(verify_command());
  commands.push_back(repair_command());
  commands.push_back(adopt_command());
  commands.push_back(retire_command());
  commands.push_back(upgrade_command());
  commands.push_back(replay_command());
  commands.push_back(dead_letter_command());
  commands.push_back(skip_command());
  commands.push_back(wait_command());
  commands.push_back(export_command());
  commands.push_back(tail_command());
  commands.push_back(doctor_command());
  return commands;
}

void add_options(CLI::App* app, CommonOptions* options) {
  app->add_option("--config", options->config, "configuration file of the instance")
      ->type_name("FILE");
  app->add_option("-i,--instance", options->instance, "instance (default: \"default\")")
      ->type_name("NAME");
  app->add_option("--queue-path", options->queue_path,
                  "the instance's folder, if not as configured")
      ->type_name("DIR");
  app->add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORM");
}

Result<Config> configuration(const CommonOptions& options) {
  ConfigSources sources;
  sources.file = options.config;
  sources.instance = options.instance;
  if (!options.queue_path.empty()) sources.flags.emplace_back("queue-path", options.queue_path);
  return load_config(Program::kQueuectl, sources);
}

Result<void> execute(const CommonOptions& options, Command* command) {
  SLUICE_ASSIGN(const Config config, configuration(options));
  Access access(InstancePaths{config.queue_path});
  auto outcome =
      command->run({.config = &config, .is_json = options.output == "json", .access = &access});
  if (outcome) return outcome;
  Error error = advise_on_instance(std::move(outcome).error(), access.paths());
  error.message = address_queuectl(std::move(error.message), config);
  return fail(std::move(error));
}

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // or the folder for temporary files would stay
  CommonOptions options;
  CLI::App app{"Looks into the queue between Teleport and Fluentd.", "queuectl"};
  app.require_subcommand(1);
  add_options(&app, &options);
  const auto commands = all_commands();
  std::vector<std::pair<CLI::App*, Command*>> declared;
  for (const auto& command : commands) {
    declared.emplace_back(command->declare(&app), command.get());
    add_options(declared.back().first, &options);
  }
  const CLI::App* describe_command = add_describe_command(&app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : exit_status(ErrorKind::kUsage);
  }
  if (describe_command->parsed()) {
    fmt::print("{}\n", describe_program(app));
    return 0;
  }
  for (const auto& [parser, command] : declared) {
    if (!parser->parsed()) continue;
    const auto outcome = execute(options, command);
    if (outcome) return 0;
    // Without a sentence: whoever reads what is printed has seen enough.
    const bool is_enough =
        outcome.error().kind == ErrorKind::kStopped && outcome.error().message.empty();
    if (is_enough) return 0;
    fmt::print(stderr, "queuectl: {}\n", outcome.error().message);
    return exit_status(outcome.error().kind);
  }
  return exit_status(ErrorKind::kUsage);
}

}  // namespace
}  // namespace sluice::queue

int main(int argc, char** argv) { return sluice::queue::run(argc, argv); }
