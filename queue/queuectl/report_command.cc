#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "common/time.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"
#include "queue/queuectl/snapshot.h"

namespace sluice::queue {
namespace {

class ReportCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand("report", "what came and what became of it, by event day");
    app->add_option("--day", day_, "one day (UTC), for example 2026-11-23; default all")
        ->type_name("DAY");
    return app;
  }

  Result<void> run(const CommandContext& command) override {
    std::optional<Day> day;
    if (!day_.empty()) {
      SLUICE_ASSIGN(day, parse_day(day_));
    }
    SLUICE_ASSIGN(const Snapshot snapshot, take_snapshot(command.access));
    if (snapshot.delivery_problem) return fail(*snapshot.delivery_problem);
    return print(command.is_json ? report_json(snapshot.ledger, day)
                                 : report_table(snapshot.ledger, day));
  }

 private:
  std::string day_;
};

}  // namespace

std::unique_ptr<Command> report_command() { return std::make_unique<ReportCommand>(); }

}  // namespace sluice::queue
