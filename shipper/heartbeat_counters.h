// What has become of heartbeats since the process began. Written by their sender, read by any.
#ifndef SLUICE_SHIPPER_HEARTBEAT_COUNTERS_H_
#define SLUICE_SHIPPER_HEARTBEAT_COUNTERS_H_

#include <atomic>
#include <cstdint>

namespace sluice::shipper {

struct HeartbeatCounters {
  std::atomic<std::uint64_t> accepted = 0;
  std::atomic<std::uint64_t> failed = 0;  // no server took it
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_HEARTBEAT_COUNTERS_H_
