// `queuectl dead-letter`: shows what the sink refuses, and what could not be decoded; sends it
// again, or discards it.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "queue/queuectl/command.h"
#include "queue/queuectl/control_access.h"
#include "queue/queuectl/event_filter.h"
#include "queue/queuectl/letter_render.h"
#include "queue/queuectl/letters.h"
#include "queue/queuectl/output.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/render.h"

namespace sluice::queue {
namespace {

constexpr std::size_t kShownDefault = 50;
constexpr std::chrono::milliseconds kWaitInterval{500};
// A shipper that is started again is away for a few seconds; this is a minute.
constexpr int kIdleMax = 120;

std::string letters(std::uint64_t count) {
  return fmt::format("{} dead letter{}", with_thousands(count), count == 1 ? "" : "s");
}

class DeadLetterCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override;
  Result<void> run(const CommandContext& context) override;

 private:
  using Change = Result<DeadLetterChange> (ControlClient::*)(const std::vector<RecordKey>&,
                                                             const Actor&);

  void declare_filter(CLI::App* app);
  Result<LetterFilter> filter() const;
  Result<void> list(const CommandContext& context) const;
  Result<void> show(const CommandContext& context) const;
  Result<void> write_out(const CommandContext& context) const;
  Result<std::vector<RecordKey>> chosen(const CommandContext& context) const;
  static Result<DeadLetterChange> change(const CommandContext& context,
                                         const std::vector<RecordKey>& records, Change what,
                                         const Actor& actor);
  Result<void> requeue(const CommandContext& context) const;
  Result<void> discard(const CommandContext& context) const;
  static Result<void> wait_for(const CommandContext& context,
                               const std::vector<RecordKey>& records);
  static Result<void> print_change(const CommandContext& context, const DeadLetterChange& done,
                                   std::string_view what);

  CLI::App* list_ = nullptr;
  CLI::App* show_ = nullptr;
  CLI::App* export_ = nullptr;
  CLI::App* requeue_ = nullptr;
  CLI::App* discard_ = nullptr;
  std::string lane_;
  std::string numbers_;
  EventFilterOptions event_;
  std::optional<std::uint32_t> status_;
  std::string text_;
  std::size_t shown_max_ = kShownDefault;
  std::string to_;
  bool all_ = false;
  bool cancel_ = false;
  bool wait_ = false;
  std::string reason_;
};

CLI::App* DeadLetterCommand::declare(CLI::App* parser) {
  auto* app = parser->add_subcommand(
      "dead-letter", "events that the sink refuses: shows them, sends them again, discards them");
  list_ = app->add_subcommand("list", "which there are, and why");
  show_ = app->add_subcommand("show", "all that is known of them, with the events");
  export_ = app->add_subcommand("export", "the same as JSON, one a line");
  requeue_ = app->add_subcommand("requeue", "sends them again, beside the live flow");
  discard_ = app->add_subcommand("discard", "removes them; they count as skipped");
  declare_filter(app);
  for (auto* one : {list_, show_}) {
    one->add_option("-n", shown_max_, "how many at most (default: 50)")->type_name("N");
  }
  export_->add_option("--to", to_, "a new file, instead of standard output")->type_name("FILE");
  for (auto* one : {requeue_, discard_}) {
    one->add_flag("--all", all_, "all dead letters, where no filter is given");
    one->add_option("--reason", reason_, "why, for the journal; required")->type_name("TEXT");
  }
  requeue_->add_flag("--cancel", cancel_, "do not send them again after all");
  requeue_->add_flag("--wait", wait_, "until each has been taken or refused again");
  for (auto* one : {list_, show_, export_, requeue_, discard_}) one->fallthrough();
  app->require_subcommand(1);
  return app;
}

void DeadLetterCommand::declare_filter(CLI::App* app) {
  app->add_option("--lane", lane_, "audit or session")->type_name("LANE");
  app->add_option("--seq", numbers_, "sequence number, or a range such as 17..20")
      ->type_name("N[..M]");
  event_.declare(app);
  app->add_option("--status", status_, "HTTP status of the sink's last answer; 0: there was none")
      ->type_name("CODE");
  app->add_option("--match", text_, "reason or answer with this text")->type_name("TEXT");
}

Result<void> DeadLetterCommand::run(const CommandContext& context) {
  if (list_->parsed()) return list(context);
  if (show_->parsed()) return show(context);
  if (export_->parsed()) return write_out(context);
  if (requeue_->parsed()) return requeue(context);
  return discard(context);
}

Result<LetterFilter> DeadLetterCommand::filter() const {
  LetterFilter wanted;
  if (!lane_.empty()) {
    SLUICE_ASSIGN(wanted.lane, parse_lane(lane_));
  }
  if (!numbers_.empty()) {
    SLUICE_ASSIGN(wanted.numbers, parse_numbers(numbers_));
  }
  SLUICE_ASSIGN(wanted.event, event_.filter());
  wanted.status = status_;
  wanted.text = text_;
  return wanted;
}

Result<void> DeadLetterCommand::list(const CommandContext& context) const {
  SLUICE_ASSIGN(const LetterFilter wanted, filter());
  LetterSummary summary;
  std::vector<ListedLetter> shown;
  SLUICE_TRY(visit_letters(context.access, wanted, [&](ListedLetter listed) {
    summary.add(listed);
    listed.letter.body.clear();
    if (shown.size() < shown_max_) shown.push_back(std::move(listed));
    return true;
  }));
  return print(context.is_json ? letters_json(summary, shown)
                               : letters_table(summary, shown, system_clock().now()));
}

Result<void> DeadLetterCommand::show(const CommandContext& context) const {
  SLUICE_ASSIGN(const LetterFilter wanted, filter());
  std::uint64_t count = 0;
  Result<void> printed;
  SLUICE_TRY(visit_letters(context.access, wanted, [&](const ListedLetter& listed) {
    if (++count > shown_max_) return false;
    if (count > 1 && !context.is_json) printed = print("\n");
    if (printed) printed = print(context.is_json ? letter_json(listed) : letter_text(listed));
    return printed.has_value();
  }));
  SLUICE_TRY(printed);
  if (count == 0) return fail(ErrorKind::kNotFound, "there is no such dead letter");
  if (count <= shown_max_) return {};
  fmt::print(stderr, "there are more: give a filter, or a larger -n\n");
  return {};
}

// A file is on disk before it is said to be there: what is discarded afterwards must not be lost.
Result<void> DeadLetterCommand::write_out(const CommandContext& context) const {
  SLUICE_ASSIGN(const LetterFilter wanted, filter());
  SLUICE_ASSIGN(Output output, Output::open(to_));
  std::uint64_t count = 0;
  Result<void> written;
  SLUICE_TRY(visit_letters(context.access, wanted, [&](const ListedLetter& listed) {
    ++count;
    written = output.write(letter_json(listed));
    return written.has_value();
  }));
  SLUICE_TRY(written);
  SLUICE_TRY(output.finish());
  if (to_.empty() || context.is_json) return {};
  return print(fmt::format("{} written to {}\n", letters(count), to_));
}

// By their keys, so that what is changed is what was looked at.
Result<std::vector<RecordKey>> DeadLetterCommand::chosen(const CommandContext& context) const {
  SLUICE_ASSIGN(const LetterFilter wanted, filter());
  if (wanted == LetterFilter{} && !all_) {
    return fail(
        ErrorKind::kUsage,
        "say which: --lane, --seq, --id, --type, --status, --match, --from-time, --to-time, or "
        "--all");
  }
  std::vector<RecordKey> records;
  SLUICE_TRY(visit_letters(context.access, wanted, [&](const ListedLetter& listed) {
    records.push_back(listed.letter.key());
    return true;
  }));
  if (records.empty()) {
    return fail(ErrorKind::kNotFound, "there is no such dead letter: nothing was changed");
  }
  return records;
}

Result<DeadLetterChange> DeadLetterCommand::change(const CommandContext& context,
                                                   const std::vector<RecordKey>& records,
                                                   Change what, const Actor& actor) {
  DeadLetterChange sum;
  SLUICE_TRY(with_control(context.paths(), [&](ControlClient* client) -> Result<void> {
    for (std::size_t at = 0; at < records.size(); at += kChangesAtOnceMax) {
      const auto begin = records.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end =
          begin + static_cast<std::ptrdiff_t>(std::min(kChangesAtOnceMax, records.size() - at));
      SLUICE_ASSIGN(const DeadLetterChange done, (client->*what)({begin, end}, actor));
      sum.changed += done.changed;
      sum.rejects += done.rejects;
      sum.as_asked += done.as_asked;
      sum.gone += done.gone;
    }
    return {};
  }));
  return sum;
}

Result<void> DeadLetterCommand::print_change(const CommandContext& context,
                                             const DeadLetterChange& done, std::string_view what) {
  if (context.is_json) {
    return print(dump(Json{{"schema", kSchemaVersion},
                           {"changed", done.changed},
                           {"rejects", done.rejects},
                           {"as_asked", done.as_asked},
                           {"gone", done.gone}}) +
                 "\n");
  }
  std::string text = fmt::format("{} {}\n", letters(done.changed), what);
  if (done.rejects > 0) {
    text += fmt::format(
        "{} left out: a reject has no event that could be sent, only what was "
        "received; export it, or discard it\n",
        letters(done.rejects));
  }
  if (done.as_asked > 0) text += fmt::format("{} so already\n", letters(done.as_asked));
  if (done.gone > 0) text += fmt::format("{} gone meanwhile\n", letters(done.gone));
  return print(text);
}

Result<void> DeadLetterCommand::requeue(const CommandContext& context) const {
  const Actor actor{0, claimed_name_of_caller(), reason_};
  SLUICE_TRY(check_actor(actor));
  SLUICE_ASSIGN(const auto records, chosen(context));
  SLUICE_ASSIGN(const auto done,
                change(context, records,
                       cancel_ ? &ControlClient::cancel_requeue : &ControlClient::requeue, actor));
  if (done.rejects > 0 && done.rejects == records.size()) {
    return fail(ErrorKind::kUsage,
                "a reject cannot be sent again: it has no event, only what was received and could "
                "not be decoded or was too large; export it, or discard it");
  }
  if (cancel_) return print_change(context, done, "not to be sent again");
  SLUICE_TRY(print_change(context, done, "to be sent again by the shipper"));
  if (!wait_) return {};
  return wait_for(context, records);
}

// Without a shipper nothing moves, so there is an end to waiting for one.
Result<void> DeadLetterCommand::wait_for(const CommandContext& context,
                                         const std::vector<RecordKey>& records) {
  for (int idle = 0;; ++idle) {
    SLUICE_ASSIGN(const auto interventions, context.access->interventions());
    std::uint64_t waiting = 0;
    std::uint64_t taken = 0;
    for (const Intervention& one : interventions) {
      if (!std::ranges::binary_search(records, one.record)) continue;
      if (one.kind == InterventionKind::kRequeueAsked) ++waiting;
      if (one.kind == InterventionKind::kRequeued) ++taken;
    }
    if (waiting == 0) {
      if (context.is_json) return {};
      return print(fmt::format("{} taken by the sink, {} still dead\n", letters(taken),
                               with_thousands(records.size() - taken)));
    }
    if (ControlClient::connect(context.paths().control_socket()).has_value()) idle = 0;
    if (idle == kIdleMax) {
      return fail(ErrorKind::kUnavailable,
                  fmt::format("{} wait for a shipper: start sluice-shipper", letters(waiting)));
    }
    std::this_thread::sleep_for(kWaitInterval);
  }
}

Result<void> DeadLetterCommand::discard(const CommandContext& context) const {
  const Actor actor{0, claimed_name_of_caller(), reason_};
  SLUICE_TRY(check_actor(actor));
  SLUICE_ASSIGN(const auto records, chosen(context));
  SLUICE_ASSIGN(const auto done, change(context, records, &ControlClient::discard, actor));
  return print_change(context, done, "discarded");
}

}  // namespace

std::unique_ptr<Command> dead_letter_command() { return std::make_unique<DeadLetterCommand>(); }

}  // namespace sluice::queue
