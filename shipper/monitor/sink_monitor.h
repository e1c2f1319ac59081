// Compares, look by look, what Fluentd says it has counted with what it has acknowledged, and tells
// the log of what is wrong.
//
// Threads: one calls look(), any calls report().
#ifndef SLUICE_SHIPPER_MONITOR_SINK_MONITOR_H_
#define SLUICE_SHIPPER_MONITOR_SINK_MONITOR_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/log.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "queue/sink_report.h"
#include "shipper/monitor/monitor_client.h"
#include "shipper/monitor/output_alarms.h"
#include "shipper/monitor/sink_count.h"
#include "shipper/sink_tally.h"

namespace sluice::shipper {

struct SinkMonitorOptions {
  struct Process {
    std::string url;
    std::function<Result<MonitorAnswer>()> ask;
  };
  std::vector<Process> processes;
  std::vector<std::string> plugin_ids;  // whose counts are ours; empty: the only input
  std::string input_type = "http";
  const SinkTally* tally = nullptr;
  const Clock* clock = nullptr;
  LogSink sink = log_entry;
};

class SinkMonitor {
 public:
  explicit SinkMonitor(SinkMonitorOptions options);

  void look();

  queue::SinkReport::Count count() const;
  std::vector<std::string> warnings() const;

 private:
  Result<std::optional<SinkComparison>> compare();
  Result<SinkLook> take_look();
  void judge(const SinkComparison& comparison);
  static std::string shortfall_sentence(const SinkComparison& comparison);
  static std::string earlier_shortfall_sentence(const MissingBefore& missing);

  const SinkMonitorOptions options_;
  RepeatedMessage asking_;
  OutputAlarms outputs_;
  SinkCount count_;
  std::uint64_t told_ = 0;  // how many were missing when that was last logged

  mutable std::mutex mutex_;
  queue::SinkReport::Count report_;
  std::vector<std::string> warnings_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_MONITOR_SINK_MONITOR_H_
