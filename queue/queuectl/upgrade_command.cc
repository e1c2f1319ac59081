// `queuectl upgrade-format`: raises the on-disk format of a stopped instance to this release's.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "queue/format_file.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/print.h"
#include "queue/upgrade.h"

namespace sluice::queue {
namespace {

std::string describe(std::string_view what, const Upgrade& upgrade) {
  if (!upgrade.from) return fmt::format("{}: there is none\n", what);
  if (*upgrade.from == kFormatVersion) {
    return fmt::format("{}: has version {} already\n", what, kFormatVersion);
  }
  return fmt::format("{}: version {} is now {}\n", what, *upgrade.from, kFormatVersion);
}

std::string json_of(const Upgrade& upgrade) {
  if (!upgrade.from) return "null";
  return fmt::format(R"({{"from":{},"to":{}}})", *upgrade.from, kFormatVersion);
}

class UpgradeCommand final : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand(
        "upgrade-format",
        "with both daemons stopped: raises the format on disk to this release's; older releases "
        "refuse it from then on");
    app->add_option("--reason", reason_, "why; goes into the journal")->type_name("TEXT");
    return app;
  }

  // The delivery store first: a queue of the older version beside it still keeps both daemons from
  // starting, so that neither runs on one half.
  Result<void> run(const CommandContext& context) override {
    if (reason_.empty()) {
      return fail(ErrorKind::kUsage, "say why with --reason: it goes into the journal");
    }
    SLUICE_ASSIGN(const Upgrade store, upgrade_delivery(context.paths(), reason_));
    SLUICE_ASSIGN(const Upgrade queue, upgrade_queue(context.paths()));
    if (context.is_json) {
      return print(fmt::format("{{\"schema\":1,\"queue\":{},\"delivery\":{}}}\n", json_of(queue),
                               json_of(store)));
    }
    return print(describe("queue", queue) + describe("delivery store", store));
  }

 private:
  std::string reason_;
};

}  // namespace

std::unique_ptr<Command> upgrade_command() { return std::make_unique<UpgradeCommand>(); }

}  // namespace sluice::queue
