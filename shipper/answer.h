// What an answer of the sink means for the batch that was sent. Pure; any thread.
#ifndef SLUICE_SHIPPER_ANSWER_H_
#define SLUICE_SHIPPER_ANSWER_H_

#include <chrono>
#include <string>
#include <string_view>

#include "shipper/fluentd/transport.h"

namespace sluice::shipper {

enum class Verdict {
  kAccepted,       // any 2xx
  kRetry,          // may pass: no answer, 408, 425, 429, 5xx
  kConfiguration,  // cannot pass until somebody changes something, and is no fault of the events:
                   // redirects, 401, 403, 404, 405, 407, 421
  kTooLarge,       // 413: send less at once
  kRefused,        // any other 4xx: at least one event of the batch will never be accepted
};

Verdict verdict_of(const fluentd::Answer& answer);

// Fluentd's 500 for a batch with one record above its buffer's chunk limit. It looks like a passing
// failure, stays for ever, and the batch's other records are stored at each try.
bool is_chunk_limit_refusal(const fluentd::Answer& answer);

// Whether a failure may concern this batch alone and for ever: a 500 other than that of a buffer
// that is full for all, a refusal of the path or of the body (a recording's URL that is not known,
// a firewall that reads along) but not of who sends it, or the silence of a forward input, which
// may mean either.
bool may_be_an_events_fault(const fluentd::Answer& answer);

// Whether the sink says that it has too much to do.
bool is_overload(const fluentd::Answer& answer);

// Whether the sink as a whole cannot be used, so that another may be tried in its place.
bool is_failure_of_sink(const fluentd::Answer& answer);

// The longest wait that a sink can ask for with Retry-After.
inline constexpr std::chrono::milliseconds kRetryAfterMax = std::chrono::minutes(5);

// The wait that the sink asked for, capped; 0 if it asked for none.
std::chrono::milliseconds retry_after(const fluentd::Answer& answer);

// One sentence for an answer that is not a success: URL, status and the first line of the sink's
// own words, or the network failure's sentence.
std::string describe(const fluentd::Answer& answer, std::string_view url);

// The same for a failure of the sink as a whole, with what follows from it.
std::string describe_for_all(const fluentd::Answer& answer, std::string_view url);

// The same for a failure of one batch while others are accepted.
std::string describe_of_one(const fluentd::Answer& answer, std::string_view url);

// The same for a refusal that is not believed to be the event's fault.
std::string describe_refusal_of_all(const fluentd::Answer& answer, std::string_view url);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_ANSWER_H_
