// What Fluentd's monitor_agent answers to GET /api/plugins.json and /api/config.json. Pure.
//
// The answers are foreign bytes: whatever is in them, parsing ends with a value or an error.
#ifndef SLUICE_SHIPPER_MONITOR_PLUGINS_H_
#define SLUICE_SHIPPER_MONITOR_PLUGINS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace sluice::shipper {

// What is read of an answer at most. Fluentd gives about 700 bytes a plugin.
inline constexpr std::size_t kMonitorAnswerBytesMax = 4U << 20;
inline constexpr std::size_t kPluginsMax = 10'000;

struct Plugin {
  std::string id = {};    // its @id, or "object:…" of a plugin that has none
  std::string type = {};  // "http"
  bool is_input = false;
  std::optional<std::uint64_t> emit_records = {};
  // Of an output with a buffer; in percent, below zero when it is more than full.
  std::optional<double> buffer_space = {};
  // Everything that only grows while the process lives, emit_records among it.
  std::map<std::string, std::uint64_t, std::less<>> counters = {};
};

// kRejected: it is no such answer.
Result<std::vector<Plugin>> parse_plugins(std::string_view json);

// The id of the process that answers; nothing where it is not said.
std::optional<std::uint64_t> parse_process_id(std::string_view json);

// The plugins whose counts are of our events: those with the ids `ids`, or, if there are none, the
// only input of the type `type`. kNotFound: one is not there, or which input it is is not certain.
Result<std::vector<const Plugin*>> find_counting(const std::vector<Plugin>& plugins,
                                                 const std::vector<std::string>& ids,
                                                 std::string_view type);

// What all outputs have emitted.
std::uint64_t emitted_by_outputs(const std::vector<Plugin>& plugins);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_MONITOR_PLUGINS_H_
