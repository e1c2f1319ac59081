// Watches Fluentd's outputs by their own numbers: buffers that fill up, writes that fail, chunks
// that are thrown away. Each cause is logged once when it begins, and once when it is over.
//
// One thread.
#ifndef SLUICE_SHIPPER_MONITOR_OUTPUT_ALARMS_H_
#define SLUICE_SHIPPER_MONITOR_OUTPUT_ALARMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "shipper/monitor/plugins.h"

namespace sluice::shipper {

class OutputAlarms {
 public:
  explicit OutputAlarms(LogSink sink = log_entry) : sink_(std::move(sink)) {}

  // What the process at `url` has answered. Outputs that it had before and has not now are
  // forgotten.
  void look(const std::string& url, const std::vector<Plugin>& plugins);

  // Sentences that hold now.
  std::vector<std::string> sentences() const;

 private:
  struct Output {
    std::string name;
    std::size_t level = 0;  // of those below which its buffer's room is; 0: enough
    bool fails = false;
    std::uint64_t retries = 0;
    std::uint64_t writes = 0;
    std::uint64_t dropped = 0;
    bool is_known = false;  // the three counters are of an earlier look
  };

  void look_at_buffer(const Plugin& plugin, Output* output);
  void look_at_writes(const Plugin& plugin, Output* output);
  static std::string buffer_sentence(const Output& output);
  static std::string failing_sentence(const Output& output);

  const LogSink sink_;
  std::map<std::string, std::map<std::string, Output>> outputs_;  // by URL, then by id
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_MONITOR_OUTPUT_ALARMS_H_
