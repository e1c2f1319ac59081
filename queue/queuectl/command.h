// A subcommand of queuectl: declares its options on the command line's parser, and runs.
//
// One file a command, NAME_command.cc; main.cc has the list. One thread. A command prints its
// result to standard output by print(), and returns an error for what a person has to know.
#ifndef SLUICE_QUEUE_QUEUECTL_COMMAND_H_
#define SLUICE_QUEUE_QUEUECTL_COMMAND_H_

#include <memory>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"
#include "queue/instance.h"
#include "queue/queuectl/access.h"
#include "queue/types.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace sluice::queue {

// What every command is given.
struct CommandContext {
  const Config* config = nullptr;
  bool is_json = false;  // else a table, for people
  Access* access = nullptr;
  const InstancePaths& paths() const { return access->paths(); }
};

class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  // Adds the subcommand with its own options to `parser`, and returns it.
  virtual CLI::App* declare(CLI::App* parser) = 0;
  // Called once, if the subcommand was chosen.
  virtual Result<void> run(const CommandContext& context) = 0;
};

std::unique_ptr<Command> status_command();
std::unique_ptr<Command> peek_command();
std::unique_ptr<Command> report_command();
std::unique_ptr<Command> verify_command();
std::unique_ptr<Command> repair_command();
std::unique_ptr<Command> adopt_command();
std::unique_ptr<Command> retire_command();
std::unique_ptr<Command> upgrade_command();
std::unique_ptr<Command> replay_command();
std::unique_ptr<Command> trace_command();
std::unique_ptr<Command> dead_letter_command();
std::unique_ptr<Command> skip_command();
std::unique_ptr<Command> wait_command();
std::unique_ptr<Command> export_command();
std::unique_ptr<Command> tail_command();
std::unique_ptr<Command> doctor_command();

// A command's --lane. kUsage for a name that is none.
Result<Lane> parse_lane(const std::string& name);
// The same where none means all.
Result<std::vector<Lane>> parse_lanes(const std::string& name);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_COMMAND_H_
