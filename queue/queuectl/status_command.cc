#include <CLI/CLI.hpp>

#include "queue/configured_limits.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"
#include "queue/queuectl/snapshot.h"

namespace sluice::queue {
namespace {

class StatusCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    return parser->add_subcommand("status", "how far everything is; the numbers add up");
  }

  Result<void> run(const CommandContext& command) override {
    SLUICE_ASSIGN(Snapshot snapshot, take_snapshot(command.access));
    const Config& config = *command.config;
    for (const Lane lane : kLanes) {
      std::string& damage = snapshot.lanes[lane].damage;
      damage = address_queuectl(std::move(damage), config);
    }
    if (auto& problem = snapshot.delivery_problem) {
      problem->message = address_queuectl(std::move(problem->message), config);
    }
    StatusContext context;
    context.instance = config.instance;
    // Without a shipper that has said so, what the configuration would make of one.
    context.duplicates_bound = snapshot.crash_repeats_max.value_or(
        std::uint64_t{kLaneCount} * config.shipper.connections * config.shipper.batch_events);
    context.limits = configured_limits(config.queue);
    context.letter_limits = dead_letter_limits(config.shipper);
    return print(command.is_json ? status_json(snapshot, context)
                                 : address_queuectl(status_table(snapshot, context), config));
  }
};

}  // namespace

std::unique_ptr<Command> status_command() { return std::make_unique<StatusCommand>(); }

}  // namespace sluice::queue
