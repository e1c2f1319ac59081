#include "shipper/monitor/sink_monitor.h"
#include "common/message_kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice::shipper {

SinkMonitor::SinkMonitor(SinkMonitorOptions options)
    : options_(std::move(options)),
      asking_(message::kNotCompared, "what Fluentd counts cannot be compared", *options_.clock,
              options_.sink),
      outputs_(options_.sink) {}

void SinkMonitor::look() {
  auto compared = compare();
  if (compared) {
    asking_.succeeded();
    if (*compared) judge(**compared);
  } else if (compared.error().kind != ErrorKind::kStopped) {
    asking_.failed(compared.error().message);
  }
  const std::lock_guard lock(mutex_);
  warnings_ = outputs_.sentences();
  const MissingBefore& before = count_.missing_before();
  if (before.events > 0) warnings_.push_back(earlier_shortfall_sentence(before));
  if (!compared) {
    report_.problem = compared.error().message;
    return;
  }
  report_ = {};
  if (!*compared) return;
  const SinkComparison& now = **compared;
  report_ = {.since_ms = to_unix_ms(now.since),
             .acknowledged = now.acknowledged,
             .counted = now.counted,
             .differs_by = now.differs_by(),
             .problem = {}};
  if (now.missing > 0) warnings_.push_back(shortfall_sentence(now));
}

Result<std::optional<SinkComparison>> SinkMonitor::compare() {
  SLUICE_ASSIGN(const SinkLook look, take_look());
  const auto comparison = count_.look(look);
  if (comparison && comparison->counts_nothing && comparison->reaches_outputs) {
    return fail(
        ErrorKind::kNotFound,
        "the input has never counted an event, though its outputs have: Fluentd does not "
        "count for an input that has an @label, or (in older versions, such as 1.14) without "
        "enable_input_metrics true in <system>; name the outputs of our events in "
        "shipper.monitor-plugin-id");
  }
  return comparison;
}

Result<SinkLook> SinkMonitor::take_look() {
  SinkLook look;
  look.at = options_.clock->now();
  look.before = options_.tally->read();
  for (const SinkMonitorOptions::Process& process : options_.processes) {
    SLUICE_ASSIGN(const MonitorAnswer answer, process.ask());
    outputs_.look(process.url, answer.plugins);
    auto counting = find_counting(answer.plugins, options_.plugin_ids, options_.input_type);
    if (!counting) {
      return fail(counting.error().kind,
                  fmt::format("{}: {}", process.url, counting.error().message));
    }
    const auto is_silent = [](const Plugin* plugin) { return !plugin->emit_records; };
    if (const auto silent = std::ranges::find_if(*counting, is_silent); silent != counting->end()) {
      return fail(ErrorKind::kNotFound,
                  fmt::format("{}: {} does not say how many events it has emitted, as Fluentd does "
                              "from version 1.14 on",
                              process.url, (*silent)->id));
    }
    look.processes.push_back(process_of(answer.plugins, *counting, answer.process_id));
  }
  look.after = options_.tally->read();
  return look;
}

// Logged when it begins, and again each time that it has doubled.
void SinkMonitor::judge(const SinkComparison& comparison) {
  if (comparison.missing == 0) told_ = 0;
  if (comparison.missing == 0 || comparison.missing < 2 * told_) return;
  told_ = comparison.missing;
  options_.sink({message::kEventsMissing, shortfall_sentence(comparison)});
}

std::string SinkMonitor::shortfall_sentence(const SinkComparison& comparison) {
  const std::string since = format_rfc3339({comparison.since.seconds, 0});
  if (comparison.counts_nothing) {
    return fmt::format(
        "Fluentd has acknowledged {} events since {}, but says that it has emitted none since it "
        "started: either it does not count (older ones, such as 1.14, need enable_input_metrics "
        "true in <system>), or it drops everything that it is sent; look at the input's <parse>, "
        "and try \"sluice-shipper probe\"",
        comparison.acknowledged, since);
  }
  return fmt::format(
      "Fluentd has acknowledged {} events since {}, but says that it has emitted {}: at least "
      "{} did not arrive as events; look at the input's <parse>, at whether shipper.monitor-url "
      "names every worker, and send what is missing again with \"queuectl replay\"",
      comparison.acknowledged, since, comparison.counted, comparison.missing);
}

std::string SinkMonitor::earlier_shortfall_sentence(const MissingBefore& missing) {
  return fmt::format(
      "at least {} events that Fluentd has acknowledged since {} did not arrive as events, before "
      "the comparison was begun anew: send what is missing again with \"queuectl replay\", from "
      "that time on",
      missing.events, format_rfc3339({missing.since.seconds, 0}));
}

queue::SinkReport::Count SinkMonitor::count() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

std::vector<std::string> SinkMonitor::warnings() const {
  const std::lock_guard lock(mutex_);
  return warnings_;
}

}  // namespace sluice::shipper
