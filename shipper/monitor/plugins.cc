#include "shipper/monitor/plugins.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::shipper {
namespace {

namespace dom = simdjson::dom;

// Ids are shown to people and kept.
constexpr std::size_t kNameBytesMax = 256;
constexpr std::array<std::string_view, 10> kCounters = {
    "emit_records",     "emit_size",
    "emit_count",       "write_count",
    "rollback_count",   "slow_flush_count",
    "flush_time_count", "drop_oldest_chunk_count",
    "retry_count",      "write_secondary_count"};

std::unexpected<Error> no_answer(std::string_view why) {
  return fail(ErrorKind::kRejected, fmt::format("the answer is not a monitor_agent's: {}", why));
}

// For a log line: without control characters, cut.
std::string name_in(dom::object plugin, std::string_view key) {
  std::string_view text;
  if (plugin[key].get(text) != simdjson::SUCCESS) return {};
  std::string name(text.substr(0, kNameBytesMax));
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return name;
}

std::optional<std::uint64_t> count_in(dom::object plugin, std::string_view key) {
  std::uint64_t count = 0;
  if (plugin[key].get(count) != simdjson::SUCCESS) return std::nullopt;
  return count;
}

Plugin plugin_of(dom::object object) {
  Plugin plugin{.id = name_in(object, "plugin_id"), .type = name_in(object, "type")};
  plugin.is_input = name_in(object, "plugin_category") == "input";
  for (const std::string_view key : kCounters) {
    if (const auto count = count_in(object, key)) plugin.counters.emplace(key, *count);
  }
  plugin.emit_records = count_in(object, "emit_records");
  double space = 0;
  if (object["buffer_available_buffer_space_ratios"].get(space) == simdjson::SUCCESS) {
    plugin.buffer_space = space;
  }
  return plugin;
}

}  // namespace

Result<std::vector<Plugin>> parse_plugins(std::string_view json) {
  if (json.size() > kMonitorAnswerBytesMax) return no_answer("it is too long");
  dom::parser parser;
  dom::element answer;
  if (parser.parse(json.data(), json.size()).get(answer) != simdjson::SUCCESS) {
    return no_answer("it is no JSON");
  }
  dom::array list;
  if (answer["plugins"].get(list) != simdjson::SUCCESS) return no_answer("it lists no plugins");
  std::vector<Plugin> plugins;
  for (const dom::element element : list) {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return no_answer("a plugin is no object");
    if (plugins.size() == kPluginsMax) return no_answer("it lists too many plugins");
    plugins.push_back(plugin_of(object));
  }
  return plugins;
}

std::optional<std::uint64_t> parse_process_id(std::string_view json) {
  if (json.size() > kMonitorAnswerBytesMax) return std::nullopt;
  dom::parser parser;
  dom::element answer;
  std::uint64_t id = 0;
  if (parser.parse(json.data(), json.size()).get(answer) != simdjson::SUCCESS) return std::nullopt;
  if (answer["pid"].get(id) != simdjson::SUCCESS) return std::nullopt;
  return id;
}

Result<std::vector<const Plugin*>> find_counting(const std::vector<Plugin>& plugins,
                                                 const std::vector<std::string>& ids,
                                                 std::string_view type) {
  std::vector<const Plugin*> found;
  for (const std::string& id : ids) {
    const auto plugin = std::ranges::find(plugins, id, &Plugin::id);
    if (plugin == plugins.end()) {
      return fail(ErrorKind::kNotFound, fmt::format("there is no plugin with the @id {}", id));
    }
    found.push_back(&*plugin);
  }
  if (!ids.empty()) return found;
  for (const Plugin& plugin : plugins) {
    if (plugin.is_input && plugin.type == type) found.push_back(&plugin);
  }
  if (found.size() == 1) return found;
  return fail(
      ErrorKind::kNotFound,
      found.empty()
          ? fmt::format("there is no input of type {}", type)
          : fmt::format("there are several inputs of type {}: give ours an @id, and name it "
                        "in shipper.monitor-plugin-id",
                        type));
}

std::uint64_t emitted_by_outputs(const std::vector<Plugin>& plugins) {
  std::uint64_t sum = 0;
  for (const Plugin& plugin : plugins) {
    if (!plugin.is_input) sum += plugin.emit_records.value_or(0);
  }
  return sum;
}

}  // namespace sluice::shipper
