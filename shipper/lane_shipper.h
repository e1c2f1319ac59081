// Ships one lane: reads batches, keeps several requests in flight, makes finished work durable.
//
// Promises (each has a test):
//  - Batches are sent in the lane's order; with one connection, strictly, each after the one before
//    is durably finished. In the session lane never two requests of one recording are in flight.
//  - A batch counts as in flight until its completion is committed. So a crash repeats at most
//    connections x batch_events events of the lane.
//  - Nothing is sent after a failed commit or read; the error is returned from then on.
//  - Batches and requests at once are as large and as many as the sink takes well, within what is
//    configured (AdaptiveLimits). With several URLs, what fails at one is tried at the next
//    (Failover).
//  - What may pass is retried for ever, one request at a time while the sink as a whole is ill. An
//    event that the sink will never take becomes a dead letter, at the price of O(log n) requests;
//    but no more than kLoneRefusalsMax do while the sink accepts nothing, and none while the sink
//    of completions has no room for it: then it waits, and costs no requests.
//  - No request that is started carries an event that has been taken out before (CompletionSink).
//
// Threads: one thread calls everything; it is driven step by step, so that tests need neither
// threads nor sleeps. All pointers in LaneParts must outlive the shipper.
#ifndef SLUICE_SHIPPER_LANE_SHIPPER_H_
#define SLUICE_SHIPPER_LANE_SHIPPER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "queue/delivery_store.h"
#include "queue/types.h"
#include "shipper/adaptive_limits.h"
#include "shipper/batch.h"
#include "shipper/completion_sink.h"
#include "shipper/destination.h"
#include "shipper/failover.h"
#include "shipper/fluentd/transport.h"
#include "shipper/lane_counters.h"
#include "shipper/lane_observer.h"
#include "shipper/read_ahead.h"
#include "shipper/record_source.h"
#include "shipper/retry_gate.h"
#include "shipper/send_rate.h"
#include "shipper/sink_tally.h"
#include "shipper/slot.h"

namespace sluice::shipper {

// How many events in a row are set aside while the sink accepts none in between. After that it is
// taken for a sink, or something in front of it, that refuses everything.
inline constexpr unsigned kLoneRefusalsMax = 3;

struct LaneOptions {
  queue::Lane lane = queue::Lane::kAudit;
  // One, or several of which the first is preferred; the session lane's: without session id.
  std::vector<std::string> urls;
  BodyForm body = BodyForm::kArray;
  Stamp stamp = {};
  std::size_t connections = 4;
  std::size_t batch_events = 500;  // 1 with BodyForm::kSingle
  std::size_t batch_bytes = 512U << 10;
  std::chrono::milliseconds linger{0};  // how long a batch that is not full waits for more events
  bool adaptive = true;  // whether batches and requests at once may be fewer than configured
  std::chrono::milliseconds retry_min{500};
  std::chrono::milliseconds retry_max{30'000};
  // Whether records join the batch of their recording though others lie between them, as they do
  // with several connections, with one connection too.
  bool regroups = false;
  // See kLoneRefusalsMax.
  unsigned lone_refusals_max = kLoneRefusalsMax;
  // Whether to go on trying when the sink cannot be reached and never has been. When not, step()
  // returns the failure's kind.
  bool patient = true;
};

struct LaneParts {
  RecordSource* source = nullptr;
  CompletionSink* sink = nullptr;
  fluentd::Transport* transport = nullptr;
  LaneObserver* observer = nullptr;
  LaneCounters* counters = nullptr;
  const Clock* clock = nullptr;
  SendRate* rate = nullptr;    // that of the whole shipper; nullptr: no limit
  SinkTally* tally = nullptr;  // of the sink that the lane ships to; nullptr: nobody compares
};

// How many times a batch may be answered with Fluentd's chunk limit before it is taken apart. Few,
// because Fluentd stores the rest of the batch each time (from its version 1.14.3 on).
inline constexpr unsigned kChunkLimitTriesMax = 2;
// How many requests then look at once, and not after a wait, for an event that is accepted.
inline constexpr unsigned kHastyProbesMax = 8;
// How many times the sink may fail on a batch with an answer that may be an event's fault, while it
// accepts others, before the batch is taken apart; and on a single event, before that is set aside.
inline constexpr unsigned kSuspectAnswersMax = 8;
// The same for further events of a batch in which one was found at fault, where the answer is about
// the URL or who may send there: then it is likely to be so for all of them.
inline constexpr unsigned kSuspectAnswersAfterOneMax = 3;
// How many times the sink may be silent on a batch of several events, while it accepts others or
// none are left to be sent, before it is taken apart. Few, because Fluentd stores what is beside a
// record that is too large each time.
inline constexpr unsigned kSilencesMax = 3;
// The same while it accepts nothing of several batches. Many, because then it is most likely full,
// and small batches take longer to get into what room there is.
inline constexpr unsigned kSilencesOfAllMax = 32;
// How long answers under way are waited for when there is no time for more.
inline constexpr std::chrono::milliseconds kFinishPatience{5000};
// How much of the sink's answer a dead letter keeps.
inline constexpr std::size_t kDeadLetterAnswerBytesMax = 512;

class LaneShipper {
 public:
  LaneShipper(const LaneOptions& options, const LaneParts& parts,
              const queue::LaneProgress& progress);

  // Sends what may be sent, waits for answers (not longer than until something else is to be done,
  // or a second), commits what they finished.
  Result<void> step();

  // Sends nothing more, waits up to `patience` for the answers under way, commits what they
  // finished and drops the rest, which is counted as of unknown outcome. Once `hurry` is requested
  // it waits no longer than kFinishPatience. Useful after an error of step() too: what is in flight
  // may be committed unless it was a commit that failed, and then nothing is waited for.
  Result<void> finish(std::chrono::milliseconds patience, const std::stop_token& hurry = {});

 private:
  struct Flight {
    Slot* slot = nullptr;
    std::size_t url = 0;  // which of them
    std::chrono::milliseconds sent_at{0};
    std::size_t events = 0;
    std::size_t bytes = 0;
    std::size_t in_flight = 0;  // with this one, when it was sent
  };

  Result<void> send();
  bool may_send(std::chrono::milliseconds now) const;
  Result<Slot*> next_slot(std::chrono::milliseconds now);
  Slot* slot_to_send_again(std::chrono::milliseconds now);
  Result<Slot*> slot_for_new_batch();
  bool may_probe_with_new_batch() const;
  bool has_probe() const;
  bool refuses_everything() const { return lone_refusals_ >= options_.lone_refusals_max; }
  bool needs_witness() const;
  std::size_t slots_max() const;
  std::set<std::string, std::less<>> busy_routes() const;
  void fit(Slot* slot) const;
  void send(Slot* slot);
  // Learns which numbers are not to be sent any more, and drops them wherever they are not in
  // flight.
  void leave_out_taken();
  bool takes_out_of_front(Slot* slot);
  bool waits_for_room(const Slot& slot) const;
  Result<bool> pass_held_back();

  Result<void> receive(std::chrono::milliseconds timeout);
  void apply(const fluentd::Answer& answer);
  void count(const fluentd::Answer& answer, Piece* piece);
  void measure(const Flight& flight, const fluentd::Answer& answer);
  void tell_tally(const fluentd::Answer& answer, std::size_t events);
  void learn(const Flight& flight, const fluentd::Answer& answer);
  void accept(const Flight& flight);
  void refuse(const Flight& flight, const fluentd::Answer& answer);
  void doubt(const Flight& flight, const fluentd::Answer& answer);
  bool is_time_for_parts(const Piece& piece) const;
  bool fails_alone(const fluentd::Answer& answer, Slot* slot) const;
  bool others_pass(const fluentd::Answer& answer, const Piece& piece) const;
  void postpone(const Flight& flight, const fluentd::Answer& answer,
                std::chrono::milliseconds wait_min);
  bool end_try(const Flight& flight);
  void retry_later(const Flight& flight, const fluentd::Answer& answer);
  void set_aside(const Flight& flight, const fluentd::Answer& answer);
  void pass(std::vector<RecordPtr> not_to_be_sent);
  void sink_served(std::size_t url);
  void go_to_other_url(std::string_view reason);
  const std::string& present_url() const;

  std::chrono::milliseconds time_to_gather() const;
  Result<void> commit();
  void drop_flights();
  std::chrono::milliseconds wait_max() const;
  Backoff new_backoff() const;
  AdaptiveLimits new_limits() const;
  void apply_limits();

  LaneOptions options_;
  LaneParts parts_;
  std::vector<Destination> destinations_;  // by URL
  Failover failover_;
  ReadAhead ahead_;
  RetryGate gate_;
  std::chrono::milliseconds may_send_at_{0};           // by parts_.rate
  std::list<Slot> slots_;                              // oldest first
  std::unordered_map<std::uint64_t, Flight> flights_;  // by request id
  std::optional<AdaptiveLimits> limits_;               // of the present URL; never empty
  Finished finished_;                                  // not yet committed
  std::chrono::milliseconds finished_at_{0};           // the first of it
  std::chrono::milliseconds commit_took_{0};           // the last one
  std::vector<RecordPtr> held_back_;  // rejects for which there is no room among the dead letters
  std::set<queue::Seq> left_out_;     // numbers that are not to be sent any more
  std::uint64_t taken_out_mark_ = 0;
  std::uint64_t last_request_id_ = 0;
  std::uint64_t served_ = 0;    // answers that showed the sink at work
  std::uint64_t accepted_ = 0;  // answers 2xx
  FirstTries first_tries_;
  unsigned lone_refusals_ = 0;          // of single events, since the last 2xx
  unsigned doubts_ = 0;                 // refusals since lone_refusals_ reached its limit
  bool nothing_new_ = false;            // when a batch was last looked for there was none
  bool more_to_read_ = false;           // the last read was of records that are not sent
  bool last_failure_was_sent_ = false;  // it reached a server
  std::optional<Error> ended_;          // why no step is made any more
  bool may_commit_ = true;
  bool reached_sink_ = false;  // an answer came, whatever it was
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_LANE_SHIPPER_H_
