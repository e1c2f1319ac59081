#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "queue/queuectl/command.h"
#include "queue/queuectl/control_access.h"
#include "queue/queuectl/event_filter.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/progress_line.h"
#include "queue/queuectl/replay_render.h"
#include "queue/queuectl/replay_scan.h"

namespace sluice::queue {
namespace {

constexpr std::chrono::milliseconds kWaitInterval{500};
// A shipper that is started again is away for a few seconds; this is a minute.
constexpr int kIdleMax = 120;

class ReplayCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand(
        "replay", "sends delivered events once more, beside the live flow; lists such jobs");
    declare_start(app);
    list_ = app->add_subcommand("list", "all replay jobs, also the last ones that ended");
    show_ = app->add_subcommand("show", "one replay job");
    cancel_ = app->add_subcommand("cancel", "ends a replay job");
    cancel_->add_option("--reason", reason_, "why, for the journal; required")->type_name("TEXT");
    for (auto* one : {show_, cancel_}) {
      one->add_option("id", id_, "the job's number")->required()->type_name("ID");
    }
    show_->add_flag("--wait", wait_, "follow it to its end");
    for (auto* one : {list_, show_, cancel_}) one->fallthrough();
    app->require_subcommand(0, 1);
    return app;
  }

  Result<void> run(const CommandContext& context) override {
    if (list_->parsed()) return list(context);
    if (show_->parsed()) return show(context);
    if (cancel_->parsed()) return cancel(context);
    return start(context);
  }

 private:
  void declare_start(CLI::App* app);
  Result<ReplayQuestion> question() const;
  Result<void> start(const CommandContext& context);
  static Result<ReplayScan> look_through(Access* access, const ReplayQuestion& asked);
  Result<void> check_scan(const ReplayScan& scan) const;
  ReplaySpec spec(const ReplayQuestion& question, const ReplayScan& scan) const;
  static Result<void> list(const CommandContext& context);
  Result<void> show(const CommandContext& context) const;
  Result<void> cancel(const CommandContext& context) const;
  static Result<ReplayJob> wait_for(const CommandContext& context, std::uint64_t id);
  static Result<void> print_job(const CommandContext& context, const ReplayJob& job);

  CLI::App* list_ = nullptr;
  CLI::App* show_ = nullptr;
  CLI::App* cancel_ = nullptr;
  std::string lane_;
  EventFilterOptions filter_;
  std::optional<Seq> from_seq_;
  std::optional<Seq> to_seq_;
  std::uint64_t rate_ = 0;
  bool mark_ = false;
  bool partial_ = false;
  bool dry_run_ = false;
  bool wait_ = false;
  std::string reason_;
  std::uint64_t id_ = 0;
};

void ReplayCommand::declare_start(CLI::App* app) {
  app->add_option("--lane", lane_, "audit or session; required")->type_name("LANE");
  filter_.declare(app);
  app->add_option("--from-seq", from_seq_, "this sequence number or later")->type_name("N");
  app->add_option("--to-seq", to_seq_, "up to this sequence number")->type_name("N");
  app->add_option("--rate", rate_, "events a second at most (default: no limit)")->type_name("N");
  app->add_flag("--mark", mark_, "add a member \"_sluice\" that names the job to each event");
  app->add_flag("--partial", partial_, "replay what is kept though some of it is trimmed");
  app->add_flag("--dry-run", dry_run_, "say what would be sent, and change nothing");
  app->add_flag("--wait", wait_, "follow the job to its end");
  app->add_option("--reason", reason_, "why, for the journal; required unless --dry-run")
      ->type_name("TEXT");
}

Result<ReplayQuestion> ReplayCommand::question() const {
  ReplayQuestion asked;
  if (lane_.empty()) return fail(ErrorKind::kUsage, "say which lane: --lane audit or session");
  SLUICE_ASSIGN(asked.lane, parse_lane(lane_));
  asked.from_seq = from_seq_;
  asked.to_seq = to_seq_;
  SLUICE_ASSIGN(asked.filter, filter_.filter());
  if (!from_seq_ && !to_seq_ && asked.filter == ReplayFilter{}) {
    return fail(ErrorKind::kUsage,
                "say what to replay: --from-time and --to-time, --from-seq and --to-seq, --type, "
                "or --id; for everything that is kept, --from-seq 1 --partial");
  }
  if (from_seq_ == 0) return fail(ErrorKind::kUsage, "sequence numbers begin with 1");
  if (from_seq_ && to_seq_ && *to_seq_ < *from_seq_) {
    return fail(ErrorKind::kUsage, "--to-seq is before --from-seq");
  }
  return asked;
}

ReplaySpec ReplayCommand::spec(const ReplayQuestion& question, const ReplayScan& scan) const {
  ReplaySpec made;
  made.lane = question.lane;
  made.numbers = {scan.first.seq, scan.last.seq};
  made.filter = question.filter;
  made.rate = rate_;
  made.mark = mark_;
  made.actor.claimed = claimed_name_of_caller();
  made.actor.reason = reason_;
  made.matched = scan.matched;
  made.matched_bytes = scan.bytes;
  made.trimmed = scan.trimmed.count;
  return made;
}

// Whether there is anything to start, and nothing that must be said first.
Result<void> ReplayCommand::check_scan(const ReplayScan& scan) const {
  const std::uint64_t trimmed = scan.trimmed.count;
  if (trimmed > 0 && !partial_) {
    return fail(ErrorKind::kTrimmed,
                fmt::format("{}{} of the numbers asked for are trimmed ({}), and {} events are "
                            "kept: nothing was started; give --partial to replay these",
                            scan.trimmed.is_exact ? "" : "at most ", trimmed,
                            scan.trimmed.known_from, scan.matched));
  }
  if (scan.matched > 0) return {};
  return fail(ErrorKind::kNotFound, "no event that is kept is meant: nothing was started");
}

Result<ReplayScan> ReplayCommand::look_through(Access* access, const ReplayQuestion& asked) {
  ProgressLine line;
  return scan_for_replay(access, asked, [&](std::uint64_t done, std::uint64_t all) {
    line.show(fmt::format("looked at {} of {} numbers", done, all));
  });
}

Result<void> ReplayCommand::start(const CommandContext& context) {
  SLUICE_ASSIGN(const ReplayQuestion asked, question());
  ReplaySpec wanted;
  wanted.numbers = {1, 1};
  wanted.filter = asked.filter;
  wanted.actor.reason = dry_run_ ? "dry run" : reason_;
  SLUICE_TRY(check_spec(wanted));
  SLUICE_ASSIGN(const ReplayScan scan, look_through(context.access, asked));
  if (dry_run_) {
    return print(context.is_json ? scan_json(asked, scan) : scan_text(asked, scan));
  }
  SLUICE_TRY(check_scan(scan));
  ReplayJob job;
  SLUICE_TRY(with_control(context.paths(), [&](ControlClient* client) -> Result<void> {
    SLUICE_ASSIGN(job, client->start_replay(spec(asked, scan), partial_));
    return {};
  }));
  if (!wait_) return print_job(context, job);
  SLUICE_ASSIGN(job, wait_for(context, job.id));
  return print_job(context, job);
}

Result<void> ReplayCommand::print_job(const CommandContext& context, const ReplayJob& job) {
  return print(context.is_json ? replay_json(job) : replay_text(job));
}

Result<void> ReplayCommand::list(const CommandContext& context) {
  SLUICE_ASSIGN(const auto jobs, look_at_replays(context.access));
  if (!context.is_json) return print(replays_table(jobs));
  for (const ReplayJob& job : jobs) SLUICE_TRY(print(replay_json(job)));
  return {};
}

Result<void> ReplayCommand::show(const CommandContext& context) const {
  SLUICE_ASSIGN(const ReplayJob job,
                wait_ ? wait_for(context, id_) : look_at_replay(context.access, id_));
  return print_job(context, job);
}

Result<void> ReplayCommand::cancel(const CommandContext& context) const {
  return with_control(context.paths(), [&](ControlClient* client) -> Result<void> {
    SLUICE_ASSIGN(const ReplayJob job,
                  client->cancel_replay(id_, {0, claimed_name_of_caller(), reason_}));
    return print_job(context, job);
  });
}

// Without a shipper the job does not move, so there is an end to waiting for one.
Result<ReplayJob> ReplayCommand::wait_for(const CommandContext& context, std::uint64_t id) {
  ProgressLine line;
  std::int64_t changed_at_ms = 0;
  for (int idle = 0;; ++idle) {
    SLUICE_ASSIGN(ReplayJob job, look_at_replay(context.access, id));
    if (!job.is_active()) return job;
    const bool is_served = ControlClient::connect(context.paths().control_socket()).has_value();
    if (is_served || job.progress.changed_at_ms != changed_at_ms) idle = 0;
    if (idle == kIdleMax) {
      return fail(ErrorKind::kUnavailable,
                  fmt::format("replay job {} waits for a shipper: start sluice-shipper", id));
    }
    changed_at_ms = job.progress.changed_at_ms;
    line.show(progress_line(job));
    std::this_thread::sleep_for(kWaitInterval);
  }
}

}  // namespace

std::unique_ptr<Command> replay_command() { return std::make_unique<ReplayCommand>(); }

}  // namespace sluice::queue
