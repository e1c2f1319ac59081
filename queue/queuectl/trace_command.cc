#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "queue/queuectl/command.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/trace.h"
#include "queue/queuectl/trace_render.h"

namespace sluice::queue {
namespace {

class TraceCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand("trace", "says what became of an event");
    app->add_option("id", id_, "the event's id: its uid, or SESSION-ID:N in a recording")
        ->required()
        ->type_name("ID");
    return app;
  }

  Result<void> run(const CommandContext& command) override {
    SLUICE_ASSIGN(const Trace found, trace(command.access, id_));
    if (command.is_json) SLUICE_TRY(print(trace_json(found, id_)));
    if (found.events.empty()) return fail(ErrorKind::kNotFound, absence(found, id_));
    return command.is_json ? Result<void>() : print(trace_table(found));
  }

 private:
  std::string id_;
};

}  // namespace

std::unique_ptr<Command> trace_command() { return std::make_unique<TraceCommand>(); }

}  // namespace sluice::queue
