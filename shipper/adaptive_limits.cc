#include "shipper/adaptive_limits.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

// A larger batch must bring so much more in the same time, and a smaller one so much less time.
constexpr double kGainMin = 1.05;
constexpr double kReliefMin = 0.85;
constexpr std::size_t kTrialRounds = 4;
constexpr std::size_t kAnswersMin = 4;

double ms(milliseconds duration) { return static_cast<double>(duration.count()); }

double ratio(std::size_t a, std::size_t b) {
  return static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace

AdaptiveLimits::AdaptiveLimits(const SendLimits& max, bool is_on)
    : max_(max),
      is_on_(is_on),
      now_(max),
      events_proven_(std::min(max.events, kEventsAtStart)),
      round_trip_max_ms_(ms(kRoundTripMax)) {
  if (!is_on_) return;
  now_.events = events_proven_;
  now_.requests = std::min(max.requests, kRequestsAtStart);
}

void AdaptiveLimits::answered(const SendSample& sample, milliseconds now) {
  if (!is_on_) return;
  if (now >= bytes_bounded_until_) now_.bytes = max_.bytes;
  switch (sample.outcome) {
    case SendSample::Outcome::kAccepted:
      return accepted(sample, now);
    case SendSample::Outcome::kTooLarge:
      return too_large(sample, now);
    case SendSample::Outcome::kTimeLimit:
      now_.events = std::min(now_.events, std::max<std::size_t>(1, sample.events / 2));
      trial_.reset();
      return shrink_requests(sample, now);
    case SendSample::Outcome::kOverloaded:
      return shrink_requests(sample, now);
    case SendSample::Outcome::kOther:
      return;
  }
}

// Where others of that size are accepted it is not the size, or no longer the same limit.
void AdaptiveLimits::too_large(const SendSample& sample, milliseconds now) {
  const std::size_t half = std::max<std::size_t>(1, sample.bytes / 2);
  if (sample.bytes <= bytes_accepted_) {
    bytes_accepted_ = half;
    return;
  }
  // Some way below what was accepted: bytes are those of the events, and not yet packed.
  now_.bytes = std::min(now_.bytes, std::max(half, bytes_accepted_ / 4 * 3));
  bytes_bounded_until_ = now + kBelievedFor;
}

// Requests that were under way together fail together, and count once.
void AdaptiveLimits::shrink_requests(const SendSample& sample, milliseconds now) {
  if (!was_sent_since_change(sample, now)) return;
  now_.requests = std::max<std::size_t>(1, now_.requests / 2);
  round_ = {};
  changed_at_ = now;
}

void AdaptiveLimits::accepted(const SendSample& sample, milliseconds now) {
  bytes_accepted_ = std::max(bytes_accepted_, sample.bytes);
  const double queueing = queueing_ms(sample);
  if (!was_sent_since_change(sample, now) || waits_for_trial(now)) return;
  ++round_.answers;
  round_.events += sample.events;
  round_.round_trips_ms += ms(sample.round_trip);
  round_.queueing_ms += queueing;
  round_.in_flight_max = std::max(round_.in_flight_max, sample.in_flight);
  round_.has_full_batch = round_.has_full_batch || sample.events >= now_.events;
  if (round_is_over()) finish_round(now);
}

// The first answer to a batch of the size on trial: those that were sent before it are done, and
// what is sent from now on waits for batches of that size alone.
bool AdaptiveLimits::waits_for_trial(milliseconds now) {
  if (!trial_ || trial_->is_alone) return false;
  trial_->is_alone = true;
  changed_at_ = now;
  return true;
}

// Of the sizes of which something is known the one that is most alike.
AdaptiveLimits::Best* AdaptiveLimits::nearest_best(std::size_t events) {
  const auto own = std::min<std::size_t>(std::bit_width(events) - 1U, best_.size() - 1);
  if (best_[own].events != 0) return &best_[own];
  for (std::size_t distance = 1; distance < best_.size(); ++distance) {
    if (own >= distance && best_[own - distance].events != 0) return &best_[own - distance];
    if (own + distance < best_.size() && best_[own + distance].events != 0) {
      return &best_[own + distance];
    }
  }
  return nullptr;
}

// How much later the answer came than it would have come to a request that was alone. One that was
// alone says what that is now, be it longer than before.
double AdaptiveLimits::queueing_ms(const SendSample& sample) {
  const auto own = std::min<std::size_t>(std::bit_width(sample.events) - 1U, best_.size() - 1);
  const double took = ms(sample.round_trip);
  const Best* nearest = nearest_best(sample.events);
  const double expected =
      nearest == nullptr ? took : nearest->round_trip_ms * ratio(sample.events, nearest->events);
  const bool was_alone = sample.in_flight <= 1;
  if (was_alone || nearest == nullptr || took < expected) {
    const bool is_slower = was_alone && best_[own].events != 0 && took > expected;
    best_[own] = {sample.events, is_slower ? (expected + took) / 2 : took};
  }
  return was_alone ? 0 : std::max(0.0, took - expected);
}

// Slow answers are not many, and say enough.
bool AdaptiveLimits::round_is_over() const {
  const std::size_t wanted = std::max(kAnswersMin, 2 * now_.requests) * (trial_ ? kTrialRounds : 1);
  return round_.answers >= wanted || round_.round_trips_ms >= 4 * round_trip_max_ms_;
}

void AdaptiveLimits::finish_round(milliseconds now) {
  if (adjust_events(now) || adjust_requests(now)) changed_at_ = now;
  round_ = {};
}

bool AdaptiveLimits::adjust_events(milliseconds now) {
  if (trial_) return end_trial(now);
  const double took = round_.round_trip_ms();
  const double took_before = std::exchange(round_trip_ms_before_, took);
  const Trial trial{
      .events_before = now_.events, .rate_before = round_.rate(), .round_trip_ms_before = took};
  if (took <= ms(kRoundTripMax) || now >= patient_until_) {
    round_trip_max_ms_ = ms(kRoundTripMax);
  }
  if (took > round_trip_max_ms_) {
    const std::size_t usual = std::min(now_.events, round_.events / round_.answers);
    // While they still rise, nothing could be compared with them.
    if (usual < 2 || took * kReliefMin > took_before) return false;
    trial_ = trial;
    now_.events = usual / 2;
    return true;
  }
  if (!round_.has_full_batch || now_.events == max_.events) return false;
  const double factor = std::min(2.0, ms(kRoundTripMax) / 2 / std::max(took, 1.0));
  const auto larger = std::min(
      max_.events, static_cast<std::size_t>(static_cast<double>(now_.events) * factor + 0.5));
  if (larger <= now_.events) return false;
  if (now_.events < events_proven_) {
    now_.events = std::min(larger, events_proven_);
    return true;
  }
  if (now < next_trial_) return false;
  trial_ = trial;
  now_.events = larger;
  return true;
}

bool AdaptiveLimits::end_trial(milliseconds now) {
  const Trial trial = *trial_;
  trial_.reset();
  if (now_.events > trial.events_before) {
    if (round_.rate() >= kGainMin * trial.rate_before) {
      events_proven_ = now_.events;
      return false;
    }
    next_trial_ = now + kBelievedFor;
  } else {
    if (round_.round_trip_ms() <= kReliefMin * trial.round_trip_ms_before) return false;
    // It is not their size that makes the answers late.
    round_trip_max_ms_ = 1.5 * trial.round_trip_ms_before;
    patient_until_ = now + kBelievedFor;
  }
  now_.events = trial.events_before;
  return true;
}

bool AdaptiveLimits::adjust_requests(milliseconds now) {
  const double queueing = round_.queueing_ms / static_cast<double>(round_.answers);
  const double took = round_.round_trip_ms();
  if (queueing > ms(kQueueingMax) && now_.requests > 1) {
    if (has_grown_) {
      growth_wait_ = std::min(2 * growth_wait_, kGrowthWaitMax);
      next_growth_ = now + growth_wait_;
      requests_too_many_ = now_.requests;
      round_trip_ms_then_ = took;
    }
    has_grown_ = false;
    now_.requests -= std::max<std::size_t>(1, now_.requests / 4);
    return true;
  }
  // What was too much when the sink was slow may be right now that it is quick.
  const bool may_grow = now >= next_growth_ || took < round_trip_ms_then_ / 4;
  const bool is_limit = round_.in_flight_max >= now_.requests && now_.requests < max_.requests;
  if (!may_grow || !is_limit || queueing > ms(kQueueingMax) / 2) return false;
  ++now_.requests;
  has_grown_ = true;
  if (now_.requests > requests_too_many_) growth_wait_ = kGrowthWaitMin;
  return true;
}

}  // namespace sluice::shipper
