#include "shipper/monitor/sink_monitor.h"

#include <fmt/format.h>

#include <utility>

namespace sluice::shipper {

SinkMonitor::SinkMonitor(SinkMonitorOptions options)
    : options_(std::move(options)),
      asking_("what Fluentd counts cannot be compared", LogLevel::kWarn, *options_.clock,
              options_.sink),
      outputs_(options_.sink) {}

void SinkMonitor::look() {
  const auto taken = take_look();
  std::string problem;
  std::optional<SinkComparison> comparison;
  if (taken) {
    asking_.succeeded();
    comparison = count_.look(*taken);
    if (comparison) judge(*comparison);
  } else if (taken.error().kind != ErrorKind::kStopped) {
    asking_.failed(taken.error().message);
    problem = taken.error().message;
  }
  const std::lock_guard lock(mutex_);
  warnings_ = outputs_.sentences();
  report_.problem = std::move(problem);
  if (!taken) return;
  report_ = {};
  if (!comparison) return;
  report_ = {.since_ms = to_unix_ms(comparison->since),
             .acknowledged = comparison->acknowledged,
             .counted = comparison->counted,
             .differs_by = comparison->differs_by(),
             .problem = {}};
  if (comparison->missing > 0) warnings_.push_back(shortfall_sentence(*comparison));
}

Result<SinkLook> SinkMonitor::take_look() {
  SinkLook look;
  look.at = options_.clock->now();
  look.before = options_.tally->read();
  for (const SinkMonitorOptions::Process& process : options_.processes) {
    SLUICE_ASSIGN(const MonitorAnswer answer, process.ask());
    outputs_.look(process.url, answer.plugins);
    auto input = find_input(answer.plugins, options_.input_id, options_.input_type);
    if (!input) {
      return fail(input.error().kind, fmt::format("{}: {}", process.url, input.error().message));
    }
    if (!(*input)->emit_records) {
      return fail(ErrorKind::kNotFound,
                  fmt::format("{}: its input {} does not say how many events it has emitted, as "
                              "Fluentd does from version 1.14 on",
                              process.url, (*input)->id));
    }
    look.processes.push_back(process_of(answer.plugins, **input, answer.process_id));
  }
  look.after = options_.tally->read();
  return look;
}

// Logged when it begins, and again each time that it has doubled.
void SinkMonitor::judge(const SinkComparison& comparison) {
  if (comparison.missing == 0) told_ = 0;
  if (comparison.missing == 0 || comparison.missing < 2 * told_) return;
  told_ = comparison.missing;
  options_.sink(LogLevel::kError, shortfall_sentence(comparison));
}

std::string SinkMonitor::shortfall_sentence(const SinkComparison& comparison) const {
  const std::string since = format_rfc3339({comparison.since.seconds, 0});
  if (comparison.counts_nothing) {
    return fmt::format(
        "Fluentd has acknowledged {} events since {}, but says that its input has emitted none "
        "since "
        "it started: either it does not count (older ones, such as 1.14, need "
        "enable_input_metrics true in <system>), or it drops everything that it is sent; look at "
        "the input's <parse>, and try \"sluice-shipper probe\"",
        comparison.acknowledged, since);
  }
  return fmt::format(
      "Fluentd has acknowledged {} events since {}, but says that its input has emitted {}: at "
      "least "
      "{} did not arrive as events; look at the input's <parse>, at whether shipper.monitor-url "
      "names every worker, and send what is missing again with \"queuectl replay\"",
      comparison.acknowledged, since, comparison.counted, comparison.missing);
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
