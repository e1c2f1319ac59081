#include "tests/support/teleport_sim/control.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "common/time.h"

namespace sluice::teleport_sim {
namespace {

constexpr const char* kOk = "ok";

std::vector<std::string> split(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

std::optional<std::uint32_t> to_count(const std::string& word) {
  std::uint32_t count = 0;
  const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), count);
  if (status != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return count;
}

}  // namespace

Control::Control(const Simulation& simulation, std::function<void()> quit,
                 std::function<void()> leave)
    : simulation_(simulation), quit_(std::move(quit)), leave_(std::move(leave)) {}

std::string Control::handle(const std::string& line) {
  const std::vector<std::string> words = split(line);
  std::string answer;
  if (auto* flag = find_flag(words)) {
    answer = set_flag(flag, words.back());
  } else if (!words.empty() && (words[0].starts_with("add") || words[0].starts_with("late-"))) {
    answer = add_something(words);
  } else if (!words.empty()) {
    answer = change(words);
  }
  return answer.empty() ? fmt::format("error no such command: {}", line) : answer;
}

// Of the commands that switch something on or off.
std::atomic<bool>* Control::find_flag(const std::vector<std::string>& words) {
  Faults& faults = simulation_.faults;
  const std::map<std::string, std::atomic<bool>*> flags = {
      {"unimplemented export", &faults.export_unimplemented},
      {"hide-recordings", &faults.recordings_hidden},
      {"deny event", &faults.events_denied},
      {"deny session", &faults.sessions_denied},
      {"deny lock", &faults.locks_denied},
      {"duplicates", &faults.duplicates},
      {"page-edges", &faults.page_edges}};
  if (words.size() < 2) return nullptr;
  const auto found = flags.find(fmt::format("{}", fmt::join(words.begin(), words.end() - 1, " ")));
  return found == flags.end() ? nullptr : found->second;
}

// How the server behaves, and what it says of itself. Empty: no such command.
std::string Control::change(const std::vector<std::string>& words) {
  const std::string& command = words[0];
  Faults& faults = simulation_.faults;
  if (command == "freeze" && words.size() == 2) return freeze(words[1]);
  if (command == "fail-after") return fail_after(words);
  if (command == "stats") return stats();
  if (command == "forget-keys") {
    faults.forget_keys();
    return kOk;
  }
  if (command == "quit") {
    quit_();
    return kOk;
  }
  const auto number = words.size() == 2 ? to_count(words[1]) : std::nullopt;
  if (!number) return "";
  if (command == "slow") {
    faults.delay_ms = *number;
  } else if (command == "rate-limit") {
    faults.call_limit.set(*number);
  } else if (command == "goaway") {
    faults.leaving_grace_ms = *number;
    leave_();
  } else if (command == "connection-age") {
    faults.connection_age_ms = static_cast<int>(*number);
    faults.leaving_grace_ms = 0;
    leave_();
  } else {
    return "";
  }
  return kOk;
}

// New events. Empty: no such command.
std::string Control::add_something(const std::vector<std::string>& words) {
  const std::string& command = words[0];
  if (command == "late-chunk") return late_chunk(words);
  if (command == "late-event") return late_event(words);
  if (command == "add-session") return add_session(words);
  const auto number = words.size() == 2 ? to_count(words[1]) : std::nullopt;
  if (!number || (command != "add" && command != "add-large")) return "";
  const Timestamp now = system_clock().now();
  if (command == "add") {
    simulation_.catalog.add_at(now, *number, now);
  } else {
    simulation_.catalog.add_large(*number, now);
  }
  return kOk;
}

std::string Control::set_flag(std::atomic<bool>* flag, const std::string& word) {
  if (word != "on" && word != "off") return "error say on or off";
  *flag = word == "on";
  return kOk;
}

std::string Control::freeze(const std::string& word) {
  if (word != "on" && word != "off") return "error say on or off";
  simulation_.faults.frozen_at_ms = word == "on" ? to_unix_ms(system_clock().now()) : 0;
  return kOk;
}

std::string Control::fail_after(const std::vector<std::string>& words) {
  if (words.size() != 3 && words.size() != 4) return "error usage: fail-after N CODE [TARGET]";
  const auto messages = to_count(words[1]);
  const auto code = status_code_by_name(words[2]);
  const auto target = fault_target_by_name(words.size() == 4 ? words[3] : "any");
  if (!messages || !code || !target) return "error usage: fail-after N CODE [TARGET]";
  simulation_.faults.fail_after(*messages, *code, *target);
  return kOk;
}

std::string Control::late_chunk(const std::vector<std::string>& words) {
  const auto day = words.size() == 3 ? parse_day(words[1]) : fail(ErrorKind::kUsage, "");
  const auto count = words.size() == 3 ? to_count(words[2]) : std::nullopt;
  if (!day || !count || *count == 0) return "error usage: late-chunk YYYY-MM-DD N";
  const Timestamp now = system_clock().now();
  if (*day >= day_of(now)) return "error the day is not past";
  simulation_.catalog.add_late(*day, *count, now);
  return kOk;
}

std::string Control::late_event(const std::vector<std::string>& words) {
  const auto seconds = words.size() == 3 ? to_count(words[1]) : std::nullopt;
  const auto count = words.size() == 3 ? to_count(words[2]) : std::nullopt;
  if (!seconds || !count) return "error usage: late-event SECONDS N";
  const Timestamp now = system_clock().now();
  simulation_.catalog.add_at(add_seconds(now, -std::int64_t{*seconds}), *count, now);
  return kOk;
}

std::string Control::add_session(const std::vector<std::string>& words) {
  const bool never = words.size() == 3 && words[2] == "never";
  const auto events = words.size() >= 2 ? to_count(words[1]) : std::nullopt;
  const auto late_by = words.size() == 3 && !never ? to_count(words[2]) : std::optional(0U);
  if (!events || !late_by || words.size() > 3) {
    return "error usage: add-session M [SECONDS|never]";
  }
  const Timestamp now = system_clock().now();
  return "ok " +
         simulation_.catalog.add_session(*events, now, never ? kNever : add_seconds(now, *late_by));
}

std::string Control::stats() const {
  nlohmann::json stats = simulation_.statistics.to_json();
  stats["events"] = simulation_.catalog.event_count();
  stats["visible"] = simulation_.catalog.visible_count(simulation_.now());
  stats["servable"] = simulation_.catalog.servable_count(!simulation_.faults.export_unimplemented,
                                                         simulation_.now());
  stats["recorded"] = simulation_.record.count();
  return stats.dump();
}

}  // namespace sluice::teleport_sim
