// Finds out how large the batches of a lane should be, and how many requests it should have in
// flight, from how long the sink takes to answer.
//
// Fluentd has one event loop a worker: what we have waiting there, others wait for too, and a large
// body holds all of them up. Once the sink is busy, more of either gains nothing. So:
//
//  - Requests at once grow by one a round while answers come about as quickly as they are known to
//    come to a batch of that size when nothing else is under way, and shrink by a quarter when they
//    come later than that by kQueueingMax (as TCP Vegas does).
//  - Batches are halved when answers take longer than kRoundTripMax and a smaller batch is answered
//    earlier, and grow again once answers take less than half of that. Beyond the size at the start
//    they grow by trial: a larger size stays only if more events are accepted in the same time.
//  - A time limit that is reached halves both at once. An answer that the sink has too much to do
//    halves the requests. A body that is too large bounds the bytes, for a while.
//
// They begin at what saturates a Fluentd, and nothing shrinks while it answers in time: there it is
// as if the limits were fixed. Everything stays within the limits that are configured.
//
// A round: twice as many answers as there are requests at once, to requests that were sent after
// the last change, so that its effect is seen before the next one; and where sizes are compared,
// after the last batch of the size before was answered, since they would wait for that. Time that
// passes without an answer changes nothing, so an outage does not either. One thread. Times are
// Clock::monotonic().
#ifndef SLUICE_SHIPPER_ADAPTIVE_LIMITS_H_
#define SLUICE_SHIPPER_ADAPTIVE_LIMITS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

namespace sluice::shipper {

struct SendLimits {
  std::size_t events = 0;    // in a batch
  std::size_t bytes = 0;     // in a batch
  std::size_t requests = 0;  // in flight at once
};

// What became of a request.
struct SendSample {
  enum class Outcome {
    kAccepted,
    kTooLarge,    // 413
    kTimeLimit,   // no answer in the time that a request may take
    kOverloaded,  // the sink says that it has too much to do: 429, 5xx
    kOther,       // says nothing of the sink's speed
  };

  std::size_t events = 0;
  std::size_t bytes = 0;
  std::size_t in_flight = 0;  // requests when it was sent, with this one
  std::chrono::milliseconds round_trip{0};
  Outcome outcome = Outcome::kOther;
};

class AdaptiveLimits {
 public:
  // How late an answer to our own waiting requests may be, and an answer altogether.
  static constexpr std::chrono::milliseconds kQueueingMax{250};
  static constexpr std::chrono::milliseconds kRoundTripMax{1000};
  // What saturates one worker of Fluentd at any round trip.
  static constexpr std::size_t kEventsAtStart = 500;
  static constexpr std::size_t kRequestsAtStart = 4;
  // What a trial has shown, or a body that was too large, is believed for so long.
  static constexpr std::chrono::milliseconds kBelievedFor{600'000};
  // Requests at once do not grow for so long after that had to be taken back, each time longer.
  static constexpr std::chrono::milliseconds kGrowthWaitMin{1000};
  static constexpr std::chrono::milliseconds kGrowthWaitMax{60'000};

  // `max`: what is configured, none of it 0. Unless `is_on`, that is what holds.
  explicit AdaptiveLimits(const SendLimits& max, bool is_on = true);

  const SendLimits& limits() const { return now_; }

  void answered(const SendSample& sample, std::chrono::milliseconds now);

 private:
  struct Round {
    std::size_t answers = 0;
    std::size_t events = 0;
    double round_trips_ms = 0;  // sums
    double queueing_ms = 0;
    std::size_t in_flight_max = 0;
    bool has_full_batch = false;

    double round_trip_ms() const { return round_trips_ms / static_cast<double>(answers); }
    double rate() const { return static_cast<double>(events) / round_trips_ms; }
  };
  // Another size of batches that has to prove itself against the one before.
  struct Trial {
    std::size_t events_before = 0;
    double rate_before = 0;
    double round_trip_ms_before = 0;
    bool is_alone = false;  // no batch of the size before is under way any more
  };
  // The shortest round trip that is known of a size, as one answer had it.
  struct Best {
    std::size_t events = 0;  // 0: none yet
    double round_trip_ms = 0;
  };

  void accepted(const SendSample& sample, std::chrono::milliseconds now);
  void too_large(const SendSample& sample, std::chrono::milliseconds now);
  void shrink_requests(const SendSample& sample, std::chrono::milliseconds now);
  double queueing_ms(const SendSample& sample);
  Best* nearest_best(std::size_t events);
  bool waits_for_trial(std::chrono::milliseconds now);
  bool round_is_over() const;
  void finish_round(std::chrono::milliseconds now);
  bool adjust_events(std::chrono::milliseconds now);
  bool end_trial(std::chrono::milliseconds now);
  bool adjust_requests(std::chrono::milliseconds now);
  bool was_sent_since_change(const SendSample& sample, std::chrono::milliseconds now) const {
    return now - sample.round_trip >= changed_at_;
  }

  const SendLimits max_;
  const bool is_on_;
  SendLimits now_;
  std::array<Best, 24> best_{};  // [i]: of 2^i events up to twice that
  Round round_;
  std::chrono::milliseconds changed_at_{0};

  std::size_t events_proven_;  // up to here batches grow without a trial
  std::optional<Trial> trial_;
  std::chrono::milliseconds next_trial_{0};
  double round_trip_ms_before_ = 0;  // in the round before
  double round_trip_max_ms_;         // more than kRoundTripMax where smaller batches did not help
  std::chrono::milliseconds patient_until_{0};
  std::size_t bytes_accepted_ = 0;  // of the largest body
  std::chrono::milliseconds bytes_bounded_until_{0};

  bool has_grown_ = false;  // in requests, since they were last too many
  std::size_t requests_too_many_ = 0;
  double round_trip_ms_then_ = 0;
  std::chrono::milliseconds growth_wait_{kGrowthWaitMin};
  std::chrono::milliseconds next_growth_{0};
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_ADAPTIVE_LIMITS_H_
