// `queuectl wait --drained`: until what was in the queue when it began is delivered.
//
// What comes meanwhile is not waited for: a queue that is fetched into all the time is hardly ever
// empty, and may be so without all having been delivered that somebody asks about. Whoever wants an
// empty queue stops the fetcher first.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/time.h"
#include "queue/control/client.h"
#include "queue/queuectl/command.h"
#include "queue/queuectl/drain.h"
#include "queue/queuectl/interrupt.h"
#include "queue/queuectl/json.h"
#include "queue/queuectl/print.h"
#include "queue/queuectl/progress_line.h"
#include "queue/queuectl/render.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;
using Instant = std::chrono::steady_clock::time_point;

// The page rings with each commit: more often than this is not worth a look.
constexpr milliseconds kLookInterval{250};
constexpr milliseconds kWaitMax{1000};
// Without a limit of time there is an end to waiting for a shipper that is not there.
constexpr milliseconds kShipperPatience{60'000};

milliseconds since(Instant begin) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
}

class WaitCommand : public Command {
 public:
  CLI::App* declare(CLI::App* parser) override {
    auto* app = parser->add_subcommand("wait", "waits until the backlog is delivered");
    app->add_flag("--drained", drained_,
                  "until all that is in the queue now is delivered, or set aside as dead letters");
    app->add_option("--lane", lane_, "audit or session (default: both)")->type_name("LANE");
    app->add_option("--timeout", timeout_,
                    "how long at most, for example 10m; then the exit status is 75")
        ->type_name("TIME");
    return app;
  }

  Result<void> run(const CommandContext& context) override;

 private:
  Result<void> wait_until_drained(const CommandContext& context, Drain* drain);
  Result<std::uint64_t> look(Drain* drain, ProgressLine* line);
  std::string progress(const Drain& drain, const PerLane<std::uint64_t>& left) const;
  Result<void> check_patience(const CommandContext& context, std::uint64_t left);
  Result<void> report(const CommandContext& context, const Drain& drain) const;

  bool drained_ = false;
  std::string lane_;
  std::string timeout_;

  std::optional<milliseconds> limit_;
  const Instant begin_ = std::chrono::steady_clock::now();
  Instant shipper_seen_ = begin_;
  std::optional<std::uint64_t> first_left_;
};

Result<void> WaitCommand::run(const CommandContext& context) {
  if (!drained_) return fail(ErrorKind::kUsage, "say what to wait for: --drained");
  SLUICE_ASSIGN(auto lanes, parse_lanes(lane_));
  if (!timeout_.empty()) {
    const auto limit = parse_duration(timeout_);
    if (!limit) return fail(ErrorKind::kUsage, "--timeout: " + limit.error().message);
    limit_ = *limit;
  }
  catch_interrupts();
  SLUICE_ASSIGN(Drain drain, Drain::begin(context.access, std::move(lanes)));
  SLUICE_TRY(wait_until_drained(context, &drain));
  return report(context, drain);
}

Result<void> WaitCommand::wait_until_drained(const CommandContext& context, Drain* drain) {
  ProgressLine line;
  std::uint64_t left = 1;
  for (;;) {
    if (auto looked = look(drain, &line)) {
      left = *looked;
    } else if (looked.error().kind != ErrorKind::kBusy &&
               looked.error().kind != ErrorKind::kEpochChanged) {
      return fail(std::move(looked.error()));
    }
    if (left == 0) return {};
    SLUICE_TRY(check_interrupted("waiting"));
    SLUICE_TRY(check_patience(context, left));
    const Instant looked_at = std::chrono::steady_clock::now();
    const auto longest = limit_ ? std::min(kWaitMax, *limit_ - since(begin_)) : kWaitMax;
    drain->wait(longest);
    if (const auto spent = since(looked_at); spent < std::min(kLookInterval, longest)) {
      std::this_thread::sleep_for(std::min(kLookInterval, longest) - spent);
    }
  }
}

Result<std::uint64_t> WaitCommand::look(Drain* drain, ProgressLine* line) {
  SLUICE_ASSIGN(const auto left, drain->left());
  const std::uint64_t total = left[Lane::kAudit] + left[Lane::kSession];
  if (!first_left_) first_left_ = total;
  line->show(progress(*drain, left));
  return total;
}

std::string WaitCommand::progress(const Drain& drain, const PerLane<std::uint64_t>& left) const {
  std::string text;
  for (const Lane lane : drain.lanes()) {
    text += fmt::format("{}{} {}", text.empty() ? "left: " : ", ", name_of(lane),
                        with_thousands(left[lane]));
  }
  const std::uint64_t total = left[Lane::kAudit] + left[Lane::kSession];
  const double seconds = static_cast<double>(since(begin_).count()) / 1000;
  const double rate =
      static_cast<double>(first_left_.value_or(total) - std::min(total, *first_left_)) / seconds;
  if (seconds < 1 || rate <= 0) return text;
  return text + fmt::format("; {:.0f} a second, about {}", rate,
                            format_duration(milliseconds(static_cast<std::int64_t>(
                                static_cast<double>(total) / rate * 1000))));
}

Result<void> WaitCommand::check_patience(const CommandContext& context, std::uint64_t left) {
  if (ControlClient::connect(context.paths().control_socket()).has_value()) {
    shipper_seen_ = std::chrono::steady_clock::now();
  }
  const bool shipper_is_away = since(shipper_seen_) > kLookInterval;
  if (limit_ && since(begin_) >= *limit_) {
    return fail(ErrorKind::kBusy,
                fmt::format("not drained within {}: {} events are left{}", timeout_,
                            with_thousands(left), shipper_is_away ? ", and no shipper runs" : ""));
  }
  if (limit_ || since(shipper_seen_) < kShipperPatience) return {};
  return fail(
      ErrorKind::kUnavailable,
      fmt::format("{} events wait for a shipper: start sluice-shipper", with_thousands(left)));
}

Result<void> WaitCommand::report(const CommandContext& context, const Drain& drain) const {
  Json lanes = Json::object();
  std::string text;
  for (const Lane lane : drain.lanes()) {
    lanes[std::string(name_of(lane))] = {{"up_to", drain.target(lane)}};
    text += fmt::format("{} {} up to number {}", text.empty() ? "drained:" : ",", name_of(lane),
                        with_thousands(drain.target(lane)));
  }
  if (!context.is_json) return print(text + "\n");
  return print(dump(Json{{"schema", kSchemaVersion}, {"drained", true}, {"lanes", lanes}}) + "\n");
}

}  // namespace

std::unique_ptr<Command> wait_command() { return std::make_unique<WaitCommand>(); }

}  // namespace sluice::queue
