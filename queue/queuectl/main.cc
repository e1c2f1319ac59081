// queuectl: looks into an instance's queue, while the daemons run and while they do not.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

#include "common/config.h"
#include "common/error.h"
#include "common/time.h"
#include "queue/queuectl/access.h"
#include "queue/queuectl/render.h"
#include "queue/queuectl/snapshot.h"

namespace sluice::queue {
namespace {

struct Arguments {
  std::string config;
  std::string instance;
  std::string queue_path;
  std::string output = "table";
  std::string day;
  std::string lane = "audit";
  Seq from = 0;
  std::size_t count = 10;
  bool is_json() const { return output == "json"; }
};

// A reader of our output that has seen enough (such as head) is no failure.
Result<void> print(std::string_view text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written) return {};
  if (errno == EPIPE) return fail(ErrorKind::kStopped, "");
  return fail(errno_error("write", "standard output"));
}

Result<Config> configuration(const Arguments& arguments) {
  ConfigSources sources;
  sources.file = arguments.config;
  sources.instance = arguments.instance;
  if (!arguments.queue_path.empty()) sources.flags.emplace_back("queue-path", arguments.queue_path);
  return load_config(Program::kQueuectl, sources);
}

Result<void> status(const Arguments& arguments, const Config& config, Access* access) {
  SLUICE_ASSIGN(const Snapshot snapshot, take_snapshot(access));
  StatusContext context;
  context.instance = config.instance;
  context.duplicates_bound =
      std::uint64_t{kLaneCount} * config.shipper.connections * config.shipper.batch_events;
  return print(arguments.is_json() ? status_json(snapshot, context)
                                   : status_table(snapshot, context));
}

Result<void> report(const Arguments& arguments, Access* access) {
  std::optional<Day> day;
  if (!arguments.day.empty()) {
    SLUICE_ASSIGN(day, parse_day(arguments.day));
  }
  SLUICE_ASSIGN(const Snapshot snapshot, take_snapshot(access));
  if (!snapshot.delivery_problem.empty()) {
    return fail(ErrorKind::kIo, snapshot.delivery_problem);
  }
  return print(arguments.is_json() ? report_json(snapshot.ledger, day)
                                   : report_table(snapshot.ledger, day));
}

Result<void> peek(const Arguments& arguments, Access* access) {
  const auto lane = lane_from_name(arguments.lane);
  if (!lane) {
    return fail(ErrorKind::kUsage,
                fmt::format("there is no lane \"{}\": use audit or session", arguments.lane));
  }
  Seq from = arguments.from;
  if (from == 0) {
    SLUICE_ASSIGN(const Snapshot snapshot, take_snapshot(access));
    if (!snapshot.delivery_problem.empty()) {
      return fail(ErrorKind::kIo,
                  snapshot.delivery_problem + "; without it, --from has to say where to begin");
    }
    from = snapshot.lanes[*lane].position + 1;
  }
  std::size_t left = arguments.count;
  while (left > 0) {
    SLUICE_ASSIGN(Reader * reader, access->reader());
    ReadLimits limits;
    limits.records_max = std::min(left, limits.records_max);
    SLUICE_ASSIGN(const RecordBatch batch, reader->read(*lane, from, limits));
    if (batch.empty()) break;
    if (arguments.is_json()) {
      for (const StoredRecord& record : batch.records()) {
        SLUICE_TRY(print(record_json(*lane, record)));
      }
    } else {
      SLUICE_TRY(print(records_table(batch.records())));
    }
    from = batch.records().back().seq + 1;
    left -= batch.records().size();
  }
  return {};
}

void add_options(CLI::App* app, Arguments* arguments) {
  app->add_option("--config", arguments->config, "configuration file of the instance")
      ->type_name("FILE");
  app->add_option("-i,--instance", arguments->instance, "instance (default: \"default\")")
      ->type_name("NAME");
  app->add_option("--queue-path", arguments->queue_path,
                  "the instance's folder, if not as configured")
      ->type_name("DIR");
  app->add_option("-o,--output", arguments->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORM");
}

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // or the folder for temporary files would stay
  Arguments arguments;
  CLI::App app{"Looks into the queue between Teleport and Fluentd.", "queuectl"};
  app.require_subcommand(1);
  auto* status_command = app.add_subcommand("status", "how far everything is; the numbers add up");
  auto* peek_command = app.add_subcommand("peek", "shows events in the queue, the backlog first");
  peek_command->add_option("--lane", arguments.lane, "audit or session")->type_name("LANE");
  peek_command->add_option("--from", arguments.from, "sequence number to begin with")
      ->type_name("SEQ");
  peek_command->add_option("-n,--count", arguments.count, "how many (default 10)")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N");
  auto* report_command =
      app.add_subcommand("report", "what came and what became of it, by event day");
  report_command
      ->add_option("--day", arguments.day, "one day (UTC), for example 2026-11-23; default all")
      ->type_name("DAY");
  for (auto* command : {status_command, peek_command, report_command}) {
    add_options(command, &arguments);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : exit_status(ErrorKind::kUsage);
  }
  const auto outcome = [&]() -> Result<void> {
    SLUICE_ASSIGN(const Config config, configuration(arguments));
    Access access(InstancePaths{config.queue_path});
    if (status_command->parsed()) return status(arguments, config, &access);
    if (report_command->parsed()) return report(arguments, &access);
    return peek(arguments, &access);
  }();
  if (outcome || outcome.error().kind == ErrorKind::kStopped) return 0;
  fmt::print(stderr, "queuectl: {}\n", outcome.error().message);
  return exit_status(outcome.error().kind);
}

}  // namespace
}  // namespace sluice::queue

int main(int argc, char** argv) { return sluice::queue::run(argc, argv); }
