// Watches the sink beside the shipping: what it counts, its outputs, and when certificates end.
//
// It has a thread of its own, and nothing that ships ever waits for it, but for a moment at the
// start: for the first look at the sink's count, so that all that is sent is compared. Made before
// anything is sent, destroyed after. The options' pointers must outlive it. Any thread may call
// connected() and report().
#ifndef SLUICE_SHIPPER_SINK_WATCH_H_
#define SLUICE_SHIPPER_SINK_WATCH_H_

#include <memory>
#include <mutex>
#include <semaphore>
#include <stop_token>
#include <thread>
#include <vector>

#include "common/config.h"
#include "common/time.h"
#include "queue/sink_report.h"
#include "shipper/expiry_watch.h"
#include "shipper/fluentd/server_tls.h"
#include "shipper/monitor/monitor_client.h"
#include "shipper/monitor/sink_monitor.h"
#include "shipper/sink_tally.h"

namespace sluice::shipper {

class SinkWatch {
 public:
  SinkWatch(const Config* config, const Clock* clock);
  ~SinkWatch();
  SinkWatch(const SinkWatch&) = delete;
  SinkWatch& operator=(const SinkWatch&) = delete;

  // To be told of what is sent and answered; nullptr: nobody compares.
  SinkTally* tally() { return monitor_ ? &tally_ : nullptr; }
  void connected(const fluentd::ServerTls& server);
  queue::SinkReport report() const;

  // A last comparison, after everything was answered.
  void finish();

 private:
  void run(const std::stop_token& stop);
  void look_at_certificates();
  void note_certificates();

  const Config* config_;
  const Clock* clock_;
  SinkTally tally_;
  ExpiryWatch expiry_;
  std::mutex noting_;
  std::vector<MonitorClient> clients_;
  std::stop_token stop_;
  std::unique_ptr<SinkMonitor> monitor_;  // null: not configured
  std::binary_semaphore first_look_{0};
  std::jthread thread_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_SINK_WATCH_H_
