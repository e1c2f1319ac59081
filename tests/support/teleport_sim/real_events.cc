#include "tests/support/teleport_sim/real_events.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "tests/support/teleport_sim/dice.h"

namespace sluice::teleport_sim {
namespace {

std::string string_member(const nlohmann::json& body, const char* key) {
  const auto member = body.find(key);
  return member != body.end() && member->is_string() ? member->get<std::string>() : std::string();
}

Result<Event> read_event(const std::string& line) {
  Event event;
  event.body = nlohmann::json::parse(line, nullptr, false);
  if (!event.body.is_object()) return fail(ErrorKind::kRejected, "the line is not a JSON object");
  event.type = string_member(event.body, "event");
  if (event.type.empty()) return fail(ErrorKind::kRejected, "the event has no \"event\"");
  SLUICE_ASSIGN(event.time, parse_rfc3339(string_member(event.body, "time")));
  const auto index = event.body.find("ei");
  if (index != event.body.end() && index->is_number()) event.index = index->get<std::int64_t>();
  event.id = string_member(event.body, "uid");
  return event;
}

}  // namespace

Result<std::vector<Event>> load_events(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(errno_error("open", path));
  std::vector<Event> events;
  std::unordered_set<std::string> ids;
  std::string line;
  for (std::uint64_t number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    auto event = read_event(line);
    if (!event) {
      return fail(ErrorKind::kRejected,
                  fmt::format("{} line {}: {}", path, number, event.error().message));
    }
    const bool has_uid = !event->id.empty();
    if (!has_uid) event->id = hash_id(event->body);
    if (!ids.insert(event->id).second) {
      if (!has_uid) continue;
      event->id = Dice{number}.uuid();
      event->body["uid"] = event->id;
    }
    events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace sluice::teleport_sim
