// `queuectl export`: events of the queue as NDJSON.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "queue/queuectl/command.h"
#include "queue/queuectl/event_filter.h"
#include "queue/queuectl/export.h"
#include "queue/queuectl/interrupt.h"
#include "queue/queuectl/output.h"
#include "queue/reader.h"

namespace sluice::queue {
namespace {

class ExportCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override;
  Result<void> run(const CommandContext& context) override;

 private:
  Result<ExportQuestion> question(const CommandContext& context) const;

  std::string lane_;
  std::string numbers_;
  EventFilterOptions filter_;
  bool backlog_ = false;
  bool delivered_ = false;
  std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
  bool envelope_ = false;
  std::string to_;
};

CLI::App* ExportCommand::declare(CLI::App* parser) {
  auto* app = parser->add_subcommand(
      "export", "events of the queue as JSON, one a line, each as it is stored");
  app->add_option("--lane", lane_, "audit or session (default: both, audit first)")
      ->type_name("LANE");
  app->add_option("--seq", numbers_, "sequence number, or a range such as 17..20; with --lane")
      ->type_name("N[..M]");
  filter_.declare(app);
  auto* backlog = app->add_flag("--backlog", backlog_, "only what is not delivered yet");
  app->add_flag("--delivered", delivered_, "only what the sink has acknowledged")
      ->excludes(backlog);
  app->add_option("-n,--limit", limit_, "how many events at most")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  app->add_flag("--envelope", envelope_,
                "each with its lane, number, times and kind, as peek -o json; so with -o json");
  app->add_option("--to", to_, "a new file, instead of standard output")->type_name("FILE");
  return app;
}

Result<ExportQuestion> ExportCommand::question(const CommandContext& context) const {
  ExportQuestion asked;
  SLUICE_ASSIGN(asked.lanes, parse_lanes(lane_));
  if (!numbers_.empty()) {
    if (lane_.empty()) return fail(ErrorKind::kUsage, "--seq is of one lane: say which by --lane");
    SLUICE_ASSIGN(asked.numbers, parse_numbers(numbers_));
  }
  SLUICE_ASSIGN(asked.filter, filter_.filter());
  if (backlog_) asked.what = ExportQuestion::What::kBacklog;
  if (delivered_) asked.what = ExportQuestion::What::kDelivered;
  asked.limit = limit_;
  if (envelope_ || context.is_json) asked.form = ExportForm::kEnvelope;
  return asked;
}

Result<void> ExportCommand::run(const CommandContext& context) {
  SLUICE_ASSIGN(const ExportQuestion asked, question(context));
  catch_interrupts();
  SLUICE_ASSIGN(Output output, Output::open(to_));
  // Trimmed files that are held open here take up room until they are let go.
  const auto let_go = [&] {
    if (const auto reader = context.access->reader()) (void)(*reader)->let_go();
  };
  SLUICE_ASSIGN(const ExportTotals totals,
                export_records(context.access, asked, [&](std::string_view lines) {
                  return output.write(lines, let_go);
                }));
  SLUICE_TRY(output.finish());
  fmt::print(stderr, "{}", describe(totals));
  return {};
}

}  // namespace

std::unique_ptr<Command> export_command() { return std::make_unique<ExportCommand>(); }

}  // namespace sluice::queue
