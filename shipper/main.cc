// sluice-shipper: takes events out of the queue and sends them to Fluentd.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"
#include "common/lifecycle.h"
#include "common/log.h"
#include "shipper/shipper.h"

namespace sluice::shipper {
namespace {

constexpr const char* kProgramName = "sluice-shipper";

// What the command line says, before it is checked.
struct CommandLine {
  std::string file;
  std::string instance;
  std::map<std::string, std::vector<std::string>> values;  // by flag
  std::map<std::string, std::string> switches;

  ConfigSources sources() const {
    ConfigSources sources{.file = file, .instance = instance, .flags = {}};
    for (const auto& [name, given] : values) {
      for (const std::string& value : given) sources.flags.emplace_back(name, value);
    }
    for (const auto& [name, value] : switches) {
      if (!value.empty()) sources.flags.emplace_back(name, value);
    }
    return sources;
  }
};

void add_start_options(CLI::App* start, CommandLine* line) {
  start->add_option("-c,--config", line->file, "The configuration file")->type_name("FILE");
  start->add_option("-i,--instance", line->instance, "The instance's name")->type_name("NAME");
  for (const FlagHelp& flag : config_flags(Program::kShipper)) {
    const std::string name = "--" + flag.name;
    if (flag.value.empty()) {
      start->add_flag(name, line->switches[flag.name], flag.help);
    } else {
      start->add_option(name, line->values[flag.name], flag.help)
          ->type_name(flag.value)
          ->allow_extra_args(false);
    }
  }
}

int report(const Error& error) {
  log_error("{}", error.message);
  return exit_status(error.kind);
}

int start(const CommandLine& line) {
  const auto config = load_config(Program::kShipper, line.sources());
  init_logging(kProgramName, config ? config->debug : false);
  if (!config) return report(config.error());
  for (const std::string& warning : config->warnings) log_warn("{}", warning);
  const auto signals = SignalStop::start();
  if (!signals) return report(signals.error());
  log_info("{} {} is starting", kProgramName, SLUICE_VERSION);
  const auto done = run_shipper(*config, (*signals)->token());
  notify_stopping();
  if (!done) return report(done.error());
  log_info("stopped");
  return 0;
}

int main_checked(int argc, char** argv) {
  CLI::App app("Ships the events of a Sluice queue to Fluentd.", kProgramName);
  app.require_subcommand(1);
  CommandLine line;
  CLI::App* start_command = app.add_subcommand("start", "Ship until stopped by a signal");
  add_start_options(start_command, &line);
  const CLI::App* version_command = app.add_subcommand("version", "Print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool is_help = error.get_exit_code() == 0;
    app.exit(error);
    return is_help ? 0 : exit_status(ErrorKind::kUsage);
  }
  if (version_command->parsed()) {
    fmt::print("{} {}\n", kProgramName, SLUICE_VERSION);
    return 0;
  }
  return start(line);
}

}  // namespace
}  // namespace sluice::shipper

int main(int argc, char** argv) { return sluice::shipper::main_checked(argc, argv); }
