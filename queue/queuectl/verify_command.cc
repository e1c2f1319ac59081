// `queuectl verify`: checks queue and delivery store, running or stopped, and lists all damage.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "common/time.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/json.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"
#include "queue/verify.h"

namespace sluice::queue {
namespace {

std::string describe(const DamagedRange& range) {
  const SeqRange& numbers = range.numbers;
  const std::string which =
      numbers.count() == 1
          ? with_thousands(numbers.first)
          : fmt::format("{} to {} ({})", with_thousands(numbers.first),
                        with_thousands(numbers.last), with_thousands(numbers.count()));
  return fmt::format("  {} {}: {}\n", name_of(range.lane), which, range.why);
}

std::string table_of(const VerifyReport& report) {
  std::string text;
  if (report.queue_found && report.records_checked) {
    Table table({"LANE", "first", "last", "records", "bytes", "rejects", "gaps", "damaged"});
    for (const Lane lane : kLanes) {
      const LaneCheck& check = report.lanes[lane];
      table.add({std::string(name_of(lane)), with_thousands(check.floor),
                 with_thousands(check.last), with_thousands(check.records),
                 with_thousands(check.bytes), with_thousands(check.rejects),
                 with_thousands(check.gaps), with_thousands(check.damaged)});
    }
    text += table.text();
  } else if (report.queue_found) {
    text += "the records of the queue could not be checked\n";
  } else {
    text += "there is no queue\n";
  }
  if (!report.delivery_found) text += "the delivery store was not checked\n";
  for (const DamagedRange& range : report.ranges) text += describe(range);
  if (report.range_count > report.ranges.size()) {
    text += fmt::format("  and {} further ranges\n",
                        with_thousands(report.range_count - report.ranges.size()));
  }
  for (const std::string& problem : report.problems) text += fmt::format("  {}\n", problem);
  for (const std::string& note : report.notes) text += fmt::format("note: {}\n", note);
  text += report.is_clean() ? "no damage\n" : "";
  return text;
}

std::string json_of(const VerifyReport& report) {
  Json json;
  json["schema"] = kSchemaVersion;
  json["clean"] = report.is_clean();
  json["queue_found"] = report.queue_found;
  json["records_checked"] = report.records_checked;
  json["delivery_found"] = report.delivery_found;
  for (const Lane lane : kLanes) {
    const LaneCheck& check = report.lanes[lane];
    json["lanes"][std::string(name_of(lane))] = {{"first", check.floor},     {"last", check.last},
                                                 {"records", check.records}, {"bytes", check.bytes},
                                                 {"rejects", check.rejects}, {"gaps", check.gaps},
                                                 {"damaged", check.damaged}};
  }
  json["range_count"] = report.range_count;
  json["ranges"] = Json::array();
  for (const DamagedRange& range : report.ranges) {
    json["ranges"].push_back({{"lane", name_of(range.lane)},
                              {"first", range.numbers.first},
                              {"last", range.numbers.last},
                              {"why", range.why}});
  }
  json["problems"] = report.problems;
  json["notes"] = report.notes;
  json["table_files"] = report.table_files;
  return dump(json, 2) + "\n";
}

// One line on stderr, rewritten in place.
class ProgressLine {
 public:
  void show(const VerifyProgress& progress) {
    const auto elapsed = std::chrono::steady_clock::now() - begin_;
    const double seconds = std::max(std::chrono::duration<double>(elapsed).count(), 1e-3);
    const double rate = static_cast<double>(progress.done) / seconds;
    const std::uint64_t left = progress.total - std::min(progress.done, progress.total);
    const std::string rest =
        rate > 0 ? format_duration(std::chrono::milliseconds(
                       static_cast<std::int64_t>(1000.0 * static_cast<double>(left) / rate)))
                 : "?";
    fmt::print(stderr, "\r{} of {} records, {} a second, {} MiB, {} left    ",
               with_thousands(progress.done), with_thousands(progress.total),
               with_thousands(static_cast<std::uint64_t>(rate)), progress.bytes >> 20, rest);
    shown_ = true;
  }
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\n");
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  bool shown_ = false;
};

class VerifyCommand final : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand(
        "verify", "checks every record, row and file of queue and delivery store, running or not");
    app->add_flag("--progress", progress_, "show progress even if stderr is no terminal");
    return app;
  }

  Result<void> run(const CommandContext& context) override {
    SLUICE_ASSIGN(const VerifyReport report, check(context));
    SLUICE_TRY(print(context.is_json ? json_of(report) : table_of(report)));
    if (report.is_clean()) return {};
    std::uint64_t damaged = 0;
    for (const Lane lane : kLanes) damaged += report.lanes[lane].damaged;
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} is damaged: {} records in {} ranges, and {} other findings; stop "
                            "both daemons and run \"queuectl repair --dry-run\"",
                            context.paths().root.string(), with_thousands(damaged),
                            with_thousands(report.range_count), report.problems.size()));
  }

 private:
  Result<VerifyReport> check(const CommandContext& context) const {
    SLUICE_ASSIGN(const std::filesystem::path scratch, context.access->scratch());
    VerifyOptions options;
    options.paths = context.paths();
    options.scratch = scratch / "verify";
    ProgressLine line;
    if (progress_ || ::isatty(STDERR_FILENO) == 1) {
      options.progress = [&line](const VerifyProgress& progress) { line.show(progress); };
    }
    return verify(options);
  }

  bool progress_ = false;
};

}  // namespace

std::unique_ptr<Command> verify_command() { return std::make_unique<VerifyCommand>(); }

}  // namespace sluice::queue
