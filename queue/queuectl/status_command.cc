// `queuectl status`: a screen on a terminal, plain text elsewhere, JSON on request; once, or again
// and again.

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "queue/configured_limits.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/interrupt.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/snapshot.h"
#include "queue/queuectl/status_render.h"
#include "queue/queuectl/status_screen.h"
#include "queue/queuectl/terminal.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

constexpr double kIntervalDefault = 2;
constexpr double kIntervalMin = 0.2;
constexpr double kIntervalMax = 86'400;
constexpr milliseconds kPauseStep{200};  // an interrupt is seen so soon

class StatusCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand("status", "how far everything is; the numbers add up");
    watch_ = app->add_option("--watch", interval_,
                             "again each so many seconds (default 2), until q or Ctrl-C")
                 ->expected(0, 1)
                 ->check(CLI::Range(kIntervalMin, kIntervalMax))
                 ->type_name("SECONDS");
    return app;
  }

  Result<void> run(const CommandContext& command) override {
    if (watch_->count() == 0) return show_once(command);
    catch_interrupts();
    if (!command.is_json && terminal_style()) return watch_screen(command);
    return watch_plain(command);
  }

 private:
  struct Look {
    Snapshot snapshot;
    StatusContext context;
  };
  static Result<Look> look(const CommandContext& command);
  static Result<void> show_once(const CommandContext& command);
  Result<void> watch_screen(const CommandContext& command) const;
  Result<void> watch_plain(const CommandContext& command) const;
  milliseconds interval() const {
    return milliseconds(static_cast<std::int64_t>(interval_ * 1000));
  }

  CLI::Option* watch_ = nullptr;
  double interval_ = kIntervalDefault;
};

Result<StatusCommand::Look> StatusCommand::look(const CommandContext& command) {
  Look look;
  SLUICE_ASSIGN(look.snapshot, take_snapshot(command.access));
  const Config& config = *command.config;
  look.context.address = [&config](std::string text) {
    return address_queuectl(std::move(text), config);
  };
  const auto address = [&](std::string* text) { *text = look.context.address(std::move(*text)); };
  for (const Lane lane : kLanes) address(&look.snapshot.lanes[lane].damage);
  if (auto& problem = look.snapshot.delivery_problem) address(&problem->message);
  if (auto& sink = look.snapshot.sink) {
    for (std::string& warning : sink->warnings) address(&warning);
  }
  look.context.instance = config.instance;
  // Without a shipper that has said so, what the configuration would make of one.
  look.context.duplicates_bound = look.snapshot.crash_repeats_max.value_or(
      std::uint64_t{kLaneCount} * config.shipper.connections * config.shipper.batch_events);
  look.context.limits = configured_limits(config.queue);
  look.context.letter_limits = dead_letter_limits(config.shipper);
  return look;
}

Result<void> StatusCommand::show_once(const CommandContext& command) {
  SLUICE_ASSIGN(const Look now, look(command));
  if (command.is_json) return print(status_json(now.snapshot, now.context));
  const auto style = terminal_style();
  return print(style ? status_screen(now.snapshot, now.context, *style)
                     : status_table(now.snapshot, now.context));
}

// A look that fails is shown in place of the numbers: the fetcher may be opening the queue, and
// whoever watches wants to see it come back.
Result<void> StatusCommand::watch_screen(const CommandContext& command) const {
  StatusHistory history;
  std::optional<Look> last;
  std::string problem;
  const auto show = [&](FullScreen* screen) {
    ScreenStyle style = screen->style();
    std::string text;
    if (!problem.empty()) {
      text = ScreenLine(problem, Tone::kBad).text(style);
      if (style.rows > 1) --style.rows;
    }
    if (style.rows > 1) --style.rows;  // the last line says how to end
    if (last) text += status_screen(last->snapshot, last->context, style, &history);
    return screen->show(text + ScreenLine("q ends", Tone::kFaint).text(style));
  };
  FullScreen screen;
  for (;;) {
    auto now = look(command);
    problem = now ? "" : now.error().message;
    if (now) {
      history.add(now->snapshot);
      last = std::move(*now);
    }
    SLUICE_TRY(show(&screen));
    const auto next = std::chrono::steady_clock::now() + interval();
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(next - std::chrono::steady_clock::now());
      const FullScreen::Event event = screen.wait(left);
      if (event == FullScreen::Event::kQuit) return {};
      if (event == FullScreen::Event::kTimeout) break;
      SLUICE_TRY(show(&screen));
    }
  }
}

Result<void> StatusCommand::watch_plain(const CommandContext& command) const {
  for (bool is_first = true; !is_interrupted(); is_first = false) {
    if (!is_first && !command.is_json) SLUICE_TRY(print("\n"));
    SLUICE_ASSIGN(const Look now, look(command));
    SLUICE_TRY(print(command.is_json ? status_json(now.snapshot, now.context)
                                     : status_table(now.snapshot, now.context)));
    for (auto left = interval(); left.count() > 0 && !is_interrupted(); left -= kPauseStep) {
      std::this_thread::sleep_for(std::min(left, kPauseStep));
    }
  }
  return {};
}

}  // namespace

std::unique_ptr<Command> status_command() { return std::make_unique<StatusCommand>(); }

}  // namespace sluice::queue
