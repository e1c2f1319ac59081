// Runs the replay jobs of a delivery store beside the live flow: those with the lowest numbers, up
// to kReplaysAtOnce of them, each as a lane of its own with one connection. Dead letters that are
// to be sent again go the same way, one such lane for those of each lane.
//
// It follows the store: a job that is started there is begun, one that is cancelled is stopped.
// Jobs touch neither the lanes' positions nor the ledger. What goes wrong with one job's range ends
// that job; what concerns the queue or the store as a whole is result(), and then no more is sent.
//
// Threads: one thread makes, stops and destroys it; it has a thread of its own, and one for each
// job.
#ifndef SLUICE_SHIPPER_REPLAY_REPLAYS_H_
#define SLUICE_SHIPPER_REPLAY_REPLAYS_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/repeated_message.h"
#include "common/time.h"
#include "queue/delivery_store.h"
#include "shipper/fluentd/transport.h"
#include "shipper/lane_runner.h"
#include "shipper/lane_shipper.h"
#include "shipper/record_source.h"

namespace sluice::shipper {

// An event that a replay's sink refuses is still in the queue, and the job tells of it: so more of
// them may be passed in a row than the live flow would set aside.
inline constexpr unsigned kReplayLoneRefusalsMax = 1000;

struct ReplaysOptions {
  // What each job's lane is like; its number of connections is set here.
  std::function<LaneOptions(queue::Lane)> lane_options;
  // A transport with one connection.
  std::function<Result<std::unique_ptr<fluentd::Transport>>()> make_transport;
  FinishOptions finish;
  const Clock* clock = nullptr;
  SendRate* rate = nullptr;  // shared with the live flow; nullptr: no limit
  // Of the sink that a lane ships to, shared with the live flow; gives nullptr: nobody compares.
  std::function<SinkTally*(queue::Lane)> tally = [](queue::Lane) { return nullptr; };
  queue::DeliveryStore* store = nullptr;
  RecordSource* source = nullptr;  // read by several threads at once
  // Called once, on any thread, when result() is no longer a success.
  std::function<void()> on_failure;
};

class Replays {
 public:
  explicit Replays(const ReplaysOptions& options);
  // Stops and joins.
  ~Replays();
  Replays(const Replays&) = delete;
  Replays& operator=(const Replays&) = delete;

  // Asks the jobs to pause after the answers under way; returns at once.
  void stop();
  void join();
  // Why no more is sent. kEpochChanged: the queue has been opened anew.
  Result<void> result() const;

 private:
  struct Running;

  void run(const std::stop_token& stop);
  // Ends those that have ended, stops those that shall, starts those that may.
  void look();
  void reap();
  void start_waiting(const std::vector<queue::ReplayJob>& active);
  void start(const queue::ReplayJob& job);
  // Dead letters of lanes that have some to be sent again.
  void start_requeues();
  void start_requeue(queue::Lane lane);
  // False: it has not ended. Its failure, if any, is noted.
  bool has_ended(Running* running);
  std::unique_ptr<LaneRunner> make_runner(Running* running, LaneOptions lane,
                                          const queue::LaneProgress& begin,
                                          std::unique_ptr<fluentd::Transport> transport);
  void note_failure(const Error& error);

  ReplaysOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool something_ended_ = false;
  Result<void> result_;
  std::map<std::uint64_t, std::unique_ptr<Running>>
      running_;  // of the own thread only, as the next
  queue::PerLane<std::unique_ptr<Running>> requeues_;
  RepeatedMessage waiting_;
  std::chrono::milliseconds start_again_{0};  // not before, after a transport could not be made
  std::jthread thread_;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_REPLAY_REPLAYS_H_
