// What both daemons' main() have in common: command line, configuration, log, signals, exit status.
//
//   PROGRAM start [--config FILE] [--instance NAME] [settings as flags]
//   PROGRAM version
//
// Called once, from main(), before there is any other thread.
#ifndef SLUICE_COMMON_DAEMON_H_
#define SLUICE_COMMON_DAEMON_H_

#include <functional>
#include <stop_token>

#include "common/config.h"
#include "common/error.h"

namespace sluice {

struct Daemon {
  const char* name = "";         // "sluice-fetcher"
  const char* description = "";  // one sentence for --help
  Program program = Program::kFetcher;
  // Works until it is stopped, or done. Its error ends the process with that kind's exit status.
  std::function<Result<void>(const Config&, const std::stop_token&)> run;
};

// Returns the exit status (docs/exit-codes.md).
int run_daemon(const Daemon& daemon, int argc, char** argv);

}  // namespace sluice

#endif  // SLUICE_COMMON_DAEMON_H_
