// What the shipper knows of its sink, for `queuectl status`. Value type.
#ifndef SLUICE_QUEUE_SINK_REPORT_H_
#define SLUICE_QUEUE_SINK_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::queue {

struct SinkReport {
  struct Certificate {
    std::string whose;  // "client", "server", "authority"
    std::int64_t ends_ms = 0;
    bool operator==(const Certificate&) const = default;
  };
  // What the sink's own counter says.
  struct Count {
    std::int64_t since_ms = 0;  // 0: nothing is compared yet
    std::uint64_t acknowledged = 0;
    std::uint64_t counted = 0;
    std::int64_t differs_by = 0;  // below zero: certainly missing; above: the sink has more
    std::string problem;          // why it cannot be compared now; empty: it can
    bool operator==(const Count&) const = default;
  };

  std::vector<Certificate> certificates;
  std::optional<Count> count;         // nothing: the sink is not asked
  std::vector<std::string> warnings;  // sentences that hold now
  bool operator==(const SinkReport&) const = default;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SINK_REPORT_H_
