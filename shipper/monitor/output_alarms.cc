#include "shipper/monitor/output_alarms.h"

#include <fmt/format.h>

#include <array>

#include "common/message_kinds.h"

namespace sluice::shipper {
namespace {

// Percent of the buffer's room that is left.
constexpr std::array<double, 3> kLevels = {20, 10, 5};
constexpr double kEnough = 25;             // a little more, or it would come and go
constexpr std::size_t kOutputsMax = 1000;  // of one process

std::uint64_t counter(const Plugin& plugin, std::string_view name) {
  const auto found = plugin.counters.find(name);
  return found == plugin.counters.end() ? 0 : found->second;
}

std::size_t level_of(double space) {
  std::size_t level = 0;
  while (level < kLevels.size() && space < kLevels[level]) ++level;
  return level;
}

}  // namespace

void OutputAlarms::look(const std::string& url, const std::vector<Plugin>& plugins) {
  std::map<std::string, Output>& before = outputs_[url];
  std::map<std::string, Output> now;
  for (const Plugin& plugin : plugins) {
    if (plugin.is_input) continue;
    if (now.size() == kOutputsMax) break;
    const auto [at, is_new] = now.try_emplace(plugin.id);
    if (const auto known = before.find(plugin.id); is_new && known != before.end()) {
      at->second = std::move(known->second);
    }
    Output& output = at->second;
    output.name = fmt::format("{} ({}) of the Fluentd at {}", plugin.type, plugin.id, url);
    look_at_buffer(plugin, &output);
    look_at_writes(plugin, &output);
  }
  before = std::move(now);
}

void OutputAlarms::look_at_buffer(const Plugin& plugin, Output* output) {
  if (!plugin.buffer_space) return;
  const std::size_t level = level_of(*plugin.buffer_space);
  if (level > output->level) {
    output->level = level;
    sink_({message::kOutputBufferFills, buffer_sentence(*output)});
  } else if (output->level > 0 && *plugin.buffer_space >= kEnough) {
    output->level = 0;
    sink_({message::kOutputBufferRoom,
           fmt::format("the buffer of output {} has room again", output->name)});
  }
}

void OutputAlarms::look_at_writes(const Plugin& plugin, Output* output) {
  const std::uint64_t retries = counter(plugin, "retry_count");
  const std::uint64_t writes = counter(plugin, "write_count");
  const std::uint64_t dropped = counter(plugin, "drop_oldest_chunk_count");
  if (output->is_known && retries > output->retries && !output->fails) {
    output->fails = true;
    sink_({message::kOutputFails, failing_sentence(*output)});
  } else if (output->fails && retries <= output->retries && writes > output->writes) {
    output->fails = false;
    sink_({message::kOutputWrites, fmt::format("output {} writes again", output->name)});
  }
  if (output->is_known && dropped > output->dropped) {
    sink_({message::kOutputDropped,
           fmt::format(
               "output {} has thrown away {} chunks of acknowledged events, as overflow_action "
               "drop_oldest_chunk tells it to: take that out, and send these events again "
               "with \"queuectl replay\"",
               output->name, dropped - output->dropped)});
  }
  output->retries = retries;
  output->writes = writes;
  output->dropped = dropped;
  output->is_known = true;
}

std::string OutputAlarms::buffer_sentence(const Output& output) {
  return fmt::format(
      "the buffer of output {} has less than {} % of its room left; when it is full "
      "Fluentd takes no events: look at what the output writes to",
      output.name, kLevels.at(output.level - 1));
}

std::string OutputAlarms::failing_sentence(const Output& output) {
  return fmt::format(
      "output {} fails to write and tries again, its buffer grows meanwhile: look at "
      "Fluentd's log and at what the output writes to",
      output.name);
}

std::vector<std::string> OutputAlarms::sentences() const {
  std::vector<std::string> all;
  for (const auto& [url, outputs] : outputs_) {
    for (const auto& [id, output] : outputs) {
      if (output.level > 0) all.push_back(buffer_sentence(output));
      if (output.fails) all.push_back(failing_sentence(output));
    }
  }
  return all;
}

}  // namespace sluice::shipper
