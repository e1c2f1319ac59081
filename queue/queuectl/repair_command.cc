// `queuectl repair`: makes a new queue of what is readable in a damaged one, both daemons stopped.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>

#include "queue/queuectl/command.h"
#include "queue/queuectl/json.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"
#include "queue/repair.h"

namespace sluice::queue {
namespace {

std::string table_of(const RepairReport& report) {
  if (report.was_finished) {
    return "finished the repair that had been interrupted\n" +
           (report.aside.empty() ? ""
                                 : fmt::format("the old database is {}\n", report.aside.string()));
  }
  Table table({"LANE", "first", "last", "kept", "lost", "fetched again"});
  for (const Lane lane : kLanes) {
    const LaneRepair& at = report.lanes[lane];
    table.add({std::string(name_of(lane)), with_thousands(at.floor), with_thousands(at.last),
               with_thousands(at.kept), with_thousands(at.lost), with_thousands(at.undone)});
  }
  std::string text = table.text();
  for (const LostRange& range : report.ranges) {
    text += fmt::format("  lost: {} {} to {}\n", name_of(range.lane),
                        with_thousands(range.numbers.first), with_thousands(range.numbers.last));
  }
  if (report.range_count > report.ranges.size()) {
    text += fmt::format("  and {} further ranges\n",
                        with_thousands(report.range_count - report.ranges.size()));
  }
  for (const std::string& note : report.notes) text += fmt::format("  {}\n", note);
  if (report.aside.empty()) {
    return text + fmt::format("nothing was changed; a repair needs {} MiB of room\n",
                              report.bytes_needed >> 20);
  }
  return text + fmt::format("the old database is {}: delete it when it is no longer needed\n",
                            report.aside.string());
}

std::string json_of(const RepairReport& report) {
  Json json;
  json["schema"] = kSchemaVersion;
  json["was_finished"] = report.was_finished;
  for (const Lane lane : kLanes) {
    const LaneRepair& at = report.lanes[lane];
    json["lanes"][std::string(name_of(lane))] = {{"first", at.floor},
                                                 {"last", at.last},
                                                 {"kept", at.kept},
                                                 {"lost", at.lost},
                                                 {"fetched_again", at.undone}};
  }
  json["range_count"] = report.range_count;
  json["ranges"] = Json::array();
  for (const LostRange& range : report.ranges) {
    json["ranges"].push_back({{"lane", name_of(range.lane)},
                              {"first", range.numbers.first},
                              {"last", range.numbers.last}});
  }
  json["notes"] = report.notes;
  json["bytes_needed"] = report.bytes_needed;
  json["aside"] = report.aside.string();
  return dump(json, 2) + "\n";
}

class RepairCommand final : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand(
        "repair",
        "with both daemons stopped: copies what is readable into a new queue, records what is "
        "lost, and keeps the old one");
    app->add_flag("--dry-run", dry_run_, "only say what would be kept and what is lost");
    app->add_flag(
        "--refetch", refetch_,
        "drop the fetcher's state too, so that everything is fetched and delivered again");
    app->add_option("--reason", reason_, "why; goes into the journal and the lost records")
        ->type_name("TEXT");
    return app;
  }

  Result<void> run(const CommandContext& context) override {
    if (reason_.empty() && !dry_run_) {
      return fail(ErrorKind::kUsage, "say why with --reason: it goes into the journal");
    }
    RepairOptions options;
    options.paths = context.paths();
    options.machine = this_machine();
    options.reason = reason_;
    options.dry_run = dry_run_;
    options.refetch = refetch_;
    std::uint64_t done = 0;
    const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
    if (is_terminal) {
      options.progress = [&done](std::uint64_t records) {
        done += records;
        fmt::print(stderr, "\r{} records    ", with_thousands(done));
      };
    }
    const auto report = repair_queue(options);
    if (is_terminal && done > 0) fmt::print(stderr, "\n");
    if (!report) return fail(report.error());
    return print(context.is_json ? json_of(*report) : table_of(*report));
  }

 private:
  bool dry_run_ = false;
  bool refetch_ = false;
  std::string reason_;
};

}  // namespace

std::unique_ptr<Command> repair_command() { return std::make_unique<RepairCommand>(); }

}  // namespace sluice::queue
