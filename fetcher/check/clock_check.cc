#include <fmt/format.h>
#include <sys/timex.h>

#include <chrono>
#include <cstdlib>
#include <optional>

#include "fetcher/check/fetcher_checks.h"
#include "fetcher/teleport/identity.h"
#include "fetcher/teleport/socket.h"
#include "fetcher/teleport/web_find.h"

namespace sluice::fetcher {
namespace {

constexpr const char* kClock = "clock";
constexpr const char* kKeepInStep = "keep it in step: systemd-timesyncd, or chrony";
// Teleport's own certificates are good for a minute before they are made.
constexpr std::int64_t kSkewSecondsMax = 10;
constexpr std::chrono::milliseconds kAskMax{10'000};

// Whether something keeps this machine's clock in step, as far as the kernel knows; nothing: it
// does not say.
std::optional<bool> is_synchronised() {
  timex times{};  // no mode: only asks
  const int state = ::adjtimex(&times);
  if (state < 0) return std::nullopt;
  return state != TIME_ERROR && (times.status & STA_UNSYNC) == 0;
}

std::optional<Timestamp> proxy_time(const CheckContext& context) {
  const TeleportConfig& teleport = context.config.teleport;
  if (context.offline || teleport.mode == TeleportMode::kDirect) return std::nullopt;
  const auto facts = ask_proxy(split_address(teleport.addr, "3025"), teleport.web_ca,
                               Deadline::in(kAskMax, context.stop));
  return facts ? facts->time : std::nullopt;
}

// Teleport made it at that time, so it cannot be earlier.
bool is_before_identity(const CheckContext& context) {
  const auto identity = load_identity(context.config.teleport);
  return identity && context.clock.now() < identity->not_before;
}

}  // namespace

Finding compare_clocks(Timestamp ours, Timestamp theirs) {
  const std::int64_t ahead = ours.seconds - theirs.seconds;
  if (std::abs(ahead) <= kSkewSecondsMax) {
    return found_ok(kClock, "the same time as at Teleport's proxy");
  }
  return warning(
      kClock,
      fmt::format("{} {} Teleport's proxy", format_duration(std::chrono::seconds(std::abs(ahead))),
                  ahead > 0 ? "ahead of" : "behind"),
      kKeepInStep);
}

void check_clock(const CheckContext& context, Findings* findings) {
  if (is_before_identity(context)) {
    findings->push_back(warning(
        kClock, "behind: the identity was made later than the time that it is here", kKeepInStep));
    return;
  }
  if (const auto theirs = proxy_time(context)) {
    findings->push_back(compare_clocks(context.clock.now(), *theirs));
    return;
  }
  const auto in_step = is_synchronised();
  if (!in_step) {
    findings->push_back(not_looked_at(
        kClock,
        "neither Teleport's Auth service nor this machine's kernel says what it should be"));
  } else if (*in_step) {
    findings->push_back(found_ok(kClock, "kept in step, as this machine's kernel says"));
  } else {
    findings->push_back(
        warning(kClock, "nothing keeps it in step, as this machine's kernel says", kKeepInStep));
  }
}

}  // namespace sluice::fetcher
