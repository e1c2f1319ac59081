#include "tests/support/teleport_sim/control.h"

#include <fmt/format.h>

#include <charconv>
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

Control::Control(const Simulation& simulation, std::function<void()> quit)
    : simulation_(simulation), quit_(std::move(quit)) {}

std::string Control::handle(const std::string& line) {
  const std::vector<std::string> words = split(line);
  const std::string command = words.empty() ? "" : words[0];
  if (command == "unimplemented" && words.size() == 3 && words[1] == "export") {
    return set_flag(&simulation_.faults.export_unimplemented, words[2]);
  }
  if (command == "hide-recordings" && words.size() == 2) {
    return set_flag(&simulation_.faults.recordings_hidden, words[1]);
  }
  if (command == "deny" && words.size() == 3) return deny(words);
  if (command == "freeze" && words.size() == 2) return freeze(words[1]);
  if (command == "fail-after") return fail_after(words);
  if (command == "late-chunk") return late_chunk(words);
  if (command == "slow" && words.size() == 2) return slow(words);
  if ((command == "add" || command == "add-session") && words.size() == 2) return add(words);
  if (command == "stats") return stats();
  if (command == "quit") {
    quit_();
    return kOk;
  }
  return fmt::format("error no such command: {}", line);
}

std::string Control::set_flag(std::atomic<bool>* flag, const std::string& word) {
  if (word != "on" && word != "off") return "error say on or off";
  *flag = word == "on";
  return kOk;
}

std::string Control::deny(const std::vector<std::string>& words) {
  Faults& faults = simulation_.faults;
  if (words[1] == "event") return set_flag(&faults.events_denied, words[2]);
  if (words[1] == "session") return set_flag(&faults.sessions_denied, words[2]);
  if (words[1] == "lock") return set_flag(&faults.locks_denied, words[2]);
  return "error say event, session or lock";
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

std::string Control::slow(const std::vector<std::string>& words) {
  const auto delay_ms = to_count(words[1]);
  if (!delay_ms) return "error usage: slow MS";
  simulation_.faults.delay_ms = *delay_ms;
  return kOk;
}

std::string Control::add(const std::vector<std::string>& words) {
  const auto count = to_count(words[1]);
  if (!count) return fmt::format("error usage: {} NUMBER", words[0]);
  const Timestamp now = system_clock().now();
  if (words[0] == "add-session") return "ok " + simulation_.catalog.add_session(*count, now);
  simulation_.catalog.add_now(*count, now);
  return kOk;
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
