// Sends heartbeats to Fluentd: events that are made here on a schedule and go beside the queue,
// with a tag of their own, so that whoever watches the far end can notice when they stop.
//
// Their type is sluice.heartbeat, and they say how far this shipper is. A heartbeat is never sent
// again: the next one comes soon. With several URLs it goes to the first that takes it. The ledger
// and the metrics of events know nothing of them; what compares with Fluentd's own count does.
//
// It has a thread of its own, which the destructor stops. What the options point to must outlive
// it.
#ifndef SLUICE_SHIPPER_HEARTBEAT_SENDER_H_
#define SLUICE_SHIPPER_HEARTBEAT_SENDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "common/config.h"
#include "common/error.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "shipper/fluentd/server_tls.h"
#include "shipper/fluentd/transport.h"
#include "shipper/heartbeat_counters.h"
#include "shipper/shipper_metrics.h"
#include "shipper/sink_tally.h"

namespace sluice::shipper {

struct HeartbeatOptions {
  const Config* config = nullptr;
  const Clock* clock = nullptr;
  HeartbeatCounters* counters = nullptr;
  SinkTally* tally = nullptr;  // may be null
  fluentd::OnConnected on_connected = {};
  std::function<ShipperMetrics::State()> state = {};
};

// The event, as JSON.
std::string heartbeat_event(const Config& config, const ShipperMetrics::State& state,
                            Timestamp now);

class HeartbeatSender {
 public:
  // nullptr: none are configured. Errors as fluentd::make_transport().
  static Result<std::unique_ptr<HeartbeatSender>> start(const HeartbeatOptions& options);

 private:
  explicit HeartbeatSender(const HeartbeatOptions& options);
  void run(const std::stop_token& stop);
  void send(const std::stop_token& stop);
  // Nothing: asked to stop.
  std::optional<fluentd::Answer> send_to(const std::string& url, const std::stop_token& stop);

  const HeartbeatOptions options_;
  RepeatedMessage trouble_;
  std::unique_ptr<fluentd::Transport> transport_;
  std::uint64_t last_request_id_ = 0;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_HEARTBEAT_SENDER_H_
