#include "common/daemon.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/config_report.h"
#include "common/describe.h"
#include "common/heartbeat.h"
#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/reload.h"
#include "common/watchdog.h"

namespace sluice {
namespace {

// What the command line gave, as CLI11 fills it in: by flag.
struct Arguments {
  std::string config;
  std::string instance;
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, std::string> switches;
};

ConfigSources to_sources(const Arguments& arguments) {
  ConfigSources sources{.file = arguments.config, .instance = arguments.instance, .flags = {}};
  for (const auto& [name, values] : arguments.values) {
    for (const std::string& value : values) sources.flags.emplace_back(name, value);
  }
  for (const auto& [name, value] : arguments.switches) {
    if (!value.empty()) sources.flags.emplace_back(name, value);
  }
  return sources;
}

void declare_settings(Program program, CLI::App* command, Arguments* arguments) {
  command->add_option("-c,--config", arguments->config, "The configuration file")
      ->type_name("FILE");
  command->add_option("-i,--instance", arguments->instance, "The instance's name")
      ->type_name("NAME");
  for (const FlagHelp& flag : config_flags(program)) {
    if (flag.value.empty()) {
      command->add_flag("--" + flag.name, arguments->switches[flag.name], flag.help);
    } else {
      command->add_option("--" + flag.name, arguments->values[flag.name], flag.help)
          ->type_name(flag.value)
          ->allow_extra_args(false);
    }
  }
}

Result<Config> load(Program program, const ConfigSources& sources) {
  auto config = load_config(program, sources);
  if (config) {
    announce(*config);
    return config;
  }
  log_last_words();
  // The first is the caller's to tell; here are the others, so that one start shows them all.
  for (const Error& mistake : report_on_config(program, sources).mistakes) {
    if (mistake.message != config.error().message) {
      log_message(message::kFailed, {}, "{}", mistake.message);
    }
  }
  return config;
}

// Before the configuration is read, what it will say about the log is known only from here. What is
// wrong with it is said when it is read.
void begin_logging(const Daemon& daemon, const Arguments& arguments) {
  init_logging(daemon.name, false);
  const auto flag = arguments.values.find("log-format");
  const char* environment = std::getenv("SLUICE_LOG_FORMAT");
  std::string_view name = environment == nullptr ? "" : environment;
  if (flag != arguments.values.end() && !flag->second.empty()) name = flag->second.back();
  const LogFormat format = log_format(name).value_or(LogFormat::kAuto);
  set_log_format(format, arguments.instance.empty() ? "default" : arguments.instance);
}

int end_with(const Error& error) {
  log_last_words();
  log_message(message::kFailed, {}, "{}", error.message);
  return exit_status(error.kind);
}

int run_configured(const Daemon& daemon, const Arguments& arguments,
                   const std::function<Result<void>(const Config&, const std::stop_token&)>& run) {
  // Before there is a second thread, since it replaces the logger: SignalStop's threads log.
  begin_logging(daemon, arguments);
  // Then at once, so that a signal at any later moment is a request to stop.
  const auto signals = SignalStop::start();
  if (!signals) return end_with(signals.error());
  const auto config = load(daemon.program, to_sources(arguments));
  if (!config) return end_with(config.error());
  const auto done = run(*config, (*signals)->token());
  if (done) return 0;
  return end_with({done.error().kind, address_queuectl(done.error().message, *config)});
}

int start(const Daemon& daemon, const Arguments& arguments) {
  begin_logging(daemon, arguments);
  Reload reload(daemon.program, to_sources(arguments));
  const auto signals = SignalStop::start([&reload] { reload.request(); });
  if (!signals) return end_with(signals.error());
  auto config = load(daemon.program, to_sources(arguments));
  if (!config) return end_with(config.error());
  log_message(message::kStarting, {}, "{} {} is starting", daemon.name, SLUICE_VERSION);
  const auto watchdog = Watchdog::start(&process_heartbeats());
  const auto done = reload.run(&*config, (*signals)->token(), daemon.run);
  notify_stopping();
  if (!done) return end_with({done.error().kind, address_queuectl(done.error().message, *config)});
  log_message(message::kStopped, {}, "stopped");
  return 0;
}

int check(const Daemon& daemon, const Arguments& arguments, const SelfCheckOptions& options) {
  init_logging(daemon.name, false);
  const auto signals = SignalStop::start();
  if (!signals) return end_with(signals.error());
  silence_log();
  return run_self_check({.program = daemon.program, .name = daemon.name, .version = SLUICE_VERSION},
                        daemon.check, to_sources(arguments), options, (*signals)->token());
}

CLI::App* declare_check(const Daemon& daemon, CLI::App* app, Arguments* arguments,
                        SelfCheckOptions* options) {
  CLI::App* parser =
      app->add_subcommand("check", "Look at all that the daemon needs, and change nothing");
  declare_settings(daemon.program, parser, arguments);
  parser->add_flag("--origins", options->origins,
                   "List each setting's value and where it comes from");
  parser->add_flag("--offline", options->offline, "Ask nobody over the network");
  parser
      ->add_option_function<std::string>(
          "-o,--output", [options](const std::string& form) { options->is_json = form == "json"; },
          "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORM");
  return parser;
}

int run_command(const Daemon& daemon, const DaemonCommand& command, const Arguments& arguments) {
  if (command.takes_config) {
    return run_configured(daemon, arguments,
                          [&](const Config& config, const std::stop_token& stop) {
                            return command.run(&config, stop);
                          });
  }
  begin_logging(daemon, arguments);
  const auto done = command.run(nullptr, {});
  return done ? 0 : end_with(done.error());
}

}  // namespace

int run_daemon(const Daemon& daemon, int argc, char** argv) {
  CLI::App app(daemon.description, daemon.name);
  app.require_subcommand(1);
  Arguments arguments;
  declare_settings(daemon.program, app.add_subcommand("start", "Work until stopped by a signal"),
                   &arguments);
  SelfCheckOptions check_options;
  const CLI::App* check_command = declare_check(daemon, &app, &arguments, &check_options);
  std::vector<std::pair<const DaemonCommand*, CLI::App*>> commands;
  for (const DaemonCommand& command : daemon.commands) {
    CLI::App* parser = app.add_subcommand(command.name, command.description);
    if (command.takes_config) declare_settings(daemon.program, parser, &arguments);
    if (command.declare) command.declare(parser);
    commands.emplace_back(&command, parser);
  }
  const CLI::App* version_command = app.add_subcommand("version", "Print the version");
  const CLI::App* describe_command = add_describe_command(&app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    app.exit(error);
    return asked_for_help ? 0 : exit_status(ErrorKind::kUsage);
  }
  if (version_command->parsed()) {
    fmt::print("{} {}\n", daemon.name, SLUICE_VERSION);
    return 0;
  }
  if (describe_command->parsed()) {
    fmt::print("{}\n", describe_program(app));
    return 0;
  }
  if (check_command->parsed()) return check(daemon, arguments, check_options);
  for (const auto& [command, parser] : commands) {
    if (parser->parsed()) return run_command(daemon, *command, arguments);
  }
  return start(daemon, arguments);
}

}  // namespace sluice
