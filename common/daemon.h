// What both daemons' main() have in common: command line, configuration, log, signals, exit status.
//
//   PROGRAM start [--config FILE] [--instance NAME] [settings as flags]
//   PROGRAM check [the same flags] [--origins] [--offline] [--output json]
//   PROGRAM version
//   PROGRAM COMMAND …      (what else the daemon's program can do)
//
// Called once, from main(), before there is any other thread.
#ifndef SLUICE_COMMON_DAEMON_H_
#define SLUICE_COMMON_DAEMON_H_

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"
#include "common/self_check.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace sluice {

// Something else that a daemon's program can do.
struct DaemonCommand {
  std::string name;
  std::string description;  // one sentence for --help
  // Whether it reads the configuration, and takes the same flags as `start`.
  bool takes_config = true;
  // Declares what the command has of its own; may be empty.
  std::function<void(CLI::App*)> declare;
  // Prints its result to standard output. `config` is nullptr without takes_config. Its error ends
  // the process with that kind's exit status.
  std::function<Result<void>(const Config* config, const std::stop_token&)> run;
};

struct Daemon {
  const char* name = "";         // "sluice-fetcher"
  const char* description = "";  // one sentence for --help
  Program program = Program::kFetcher;
  // Works until it is stopped, or done. Its error ends the process with that kind's exit status.
  std::function<Result<void>(const Config&, const std::stop_token&)> run;
  SelfCheck check = {};
  std::vector<DaemonCommand> commands = {};
};

// Returns the exit status (docs/exit-codes.md).
int run_daemon(const Daemon& daemon, int argc, char** argv);

}  // namespace sluice

#endif  // SLUICE_COMMON_DAEMON_H_
