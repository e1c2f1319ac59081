// `PROGRAM check`: looks at everything that a daemon needs, without starting, and says what is
// wrong and what to do.
//
// Disturbs nobody: it takes no lock, writes nothing, and sends no event. Run by root it looks as
// the user that the daemon runs as, so that what that one may not read shows.
#ifndef SLUICE_COMMON_SELF_CHECK_H_
#define SLUICE_COMMON_SELF_CHECK_H_

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"
#include "common/finding.h"
#include "common/time.h"

namespace sluice {

// What a part of the check is given.
struct CheckContext {
  const Config& config;
  const Clock& clock;
  bool offline = false;  // asks nobody over the network
  // Whether it looks as the user that the daemon runs as: else what may not be read may well be
  // readable for the daemon, and `as_daemon` is the command that shows it.
  bool is_daemon_user = true;
  std::string as_daemon;
  std::stop_token stop;
};

// What is found about a file that cannot be opened: a failure, or for another user than the
// daemon's, that it was not looked at.
Finding cannot_look(const CheckContext& context, std::string check, const Error& error,
                    std::string what_to_do = "");

// The same of a file that the configuration names.
Finding cannot_open(const CheckContext& context, std::string check, const Error& error);

using Findings = std::vector<Finding>;

struct CheckPart {
  std::string check;  // what it looks at, for when it does not
  // Names of settings it is about; with a mistake in one of them it is left out.
  std::vector<std::string_view> settings;
  std::function<void(const CheckContext& context, Findings* findings)> look;
};

// What a daemon has for this command.
struct SelfCheck {
  // The folder that the daemon owns, from which its user is known. Where it is not there yet, the
  // user has the name of the program.
  std::function<std::filesystem::path(const Config&)> own_folder;
  std::vector<CheckPart> parts;
};

struct SelfCheckOptions {
  bool offline = false;
  bool origins = false;
  bool is_json = false;
};

// Who checks what.
struct CheckedProgram {
  Program program = Program::kFetcher;
  std::string name;
  std::string version;
};

// Prints the report to standard output, and returns the exit status that follows from it.
int run_self_check(const CheckedProgram& program, const SelfCheck& check,
                   const ConfigSources& sources, const SelfCheckOptions& options,
                   std::stop_token stop);

}  // namespace sluice

#endif  // SLUICE_COMMON_SELF_CHECK_H_
