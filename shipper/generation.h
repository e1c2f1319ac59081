// A shipping generation: the delivery store and the reader that are open, and the lanes that work
// on them.
//
// After a failed commit what is on disk is unknown, so the lanes, the reader and the store of that
// generation are destroyed together and the next one takes its positions from disk. A new epoch of
// the queue does not end a generation: the lanes end, positions are reconciled, and new lanes
// start. The replay jobs pause and go on with them.
//
// Threads: one. What options point to must outlive the generation.
#ifndef SLUICE_SHIPPER_GENERATION_H_
#define SLUICE_SHIPPER_GENERATION_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/error.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "queue/control/handler.h"
#include "queue/control/server.h"
#include "queue/delivery_store.h"
#include "queue/read_up_to.h"
#include "queue/reader.h"
#include "queue/sink_report.h"
#include "queue/types.h"
#include "shipper/completion_sink.h"
#include "shipper/dead_letter_alarm.h"
#include "shipper/fluentd/server_tls.h"
#include "shipper/lane_counters.h"
#include "shipper/lane_observer.h"
#include "shipper/lane_runner.h"
#include "shipper/record_source.h"
#include "shipper/replay/replays.h"
#include "shipper/send_rate.h"
#include "shipper/shipper_metrics.h"
#include "shipper/sink_tally.h"
#include "shipper/status_line.h"

namespace sluice::shipper {

struct GenerationOptions {
  const Config* config = nullptr;
  const Clock* clock = nullptr;
  queue::PerLane<LaneCounters>* counters = nullptr;
  queue::PerLane<LaneObserver*> observers;
  StatusLine* status = nullptr;
  ShipperMetrics* metrics = nullptr;  // may be null
  // For whoever watches the sink; may be null or empty.
  SinkTally* tally = nullptr;
  fluentd::OnConnected on_connected = {};
  std::function<queue::SinkReport()> sink_report = {};
};

class Generation {
 public:
  // Opens the delivery store and serves the control socket. Errors as DeliveryStore::open().
  static Result<std::unique_ptr<Generation>> open(const GenerationOptions& options);

  // Waits for the queue, then ships. Returns without error when stopped, or drained if that is
  // configured. Every error means that this generation must not be used any more.
  Result<void> run(const std::stop_token& stop);

 private:
  using Lanes = queue::PerLane<std::unique_ptr<LaneRunner>>;

  explicit Generation(const GenerationOptions& options);

  Result<void> attach(const std::stop_token& stop);
  Result<void> try_attach();
  Result<void> ship(const std::stop_token& stop);
  Result<std::unique_ptr<LaneRunner>> start_lane(queue::Lane lane, RecordSource* source,
                                                 CompletionSink* sink, std::stop_token hurry);
  ReplaysOptions replays_options(RecordSource* source, std::stop_token hurry);
  SinkTally* tally_of(queue::Lane lane) const;
  void start_control();
  void note_end(queue::Lane lane);
  // Returns when a lane has ended, a stop is requested, or the work is done. kIdentity: the
  // delivery store's folder was replaced.
  Result<void> watch(const std::stop_token& stop);
  void end_lanes(const Lanes& lanes, Replays* replays, const std::stop_token& stop,
                 std::stop_source hurry);
  // The reason why lanes or replays have ended, so far.
  Result<void> outcome(const Lanes& lanes, const Replays& replays);
  void report_status();
  std::optional<queue::ReadUpTo> read_up_to();
  std::optional<std::int64_t> oldest_ms(queue::Lane lane);
  bool is_drained() const;
  void log_start(const queue::QueueView& view) const;

  GenerationOptions options_;
  SendRate rate_;
  DeadLetterAlarm dead_letters_;
  RepeatedMessage waiting_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<queue::Lane> ended_;  // in this order
  bool replays_failed_ = false;
  std::unique_ptr<queue::DeliveryStore> store_;
  std::unique_ptr<queue::ControlHandler> handler_;
  std::unique_ptr<queue::ControlServer> control_;
  std::unique_ptr<queue::Reader> reader_;
  // The last answers of oldest_ms(), with the numbers that they are of.
  struct Oldest {
    queue::Seq seq = 0;
    std::int64_t fetched_at_ms = 0;
  };
  queue::PerLane<Oldest> oldest_;
  // Of what reader_ has open; the next two as of the last look.
  queue::Id128 queue_id_;
  std::string cluster_;
  std::optional<queue::ReadUpTo> read_up_to_;
  std::chrono::milliseconds next_view_{};
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_GENERATION_H_
