// Sends request bodies to Fluentd and hands back what became of each.
//
// Requests are asynchronous: start() returns at once, poll() waits and returns those that are
// finished, each exactly once and in any order. A transport never retries by itself; that is the
// lane's decision.
//
// Threads: one thread calls start(), poll() and cancel_all(); wake() may be called from any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_TRANSPORT_H_
#define SLUICE_SHIPPER_FLUENTD_TRANSPORT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace sluice::shipper::fluentd {

// How much of an answer's body is kept.
inline constexpr std::size_t kAnswerBodyBytesMax = 1024;

// No answer came.
struct NetworkFailure {
  int code = 0;  // libcurl's, also where libcurl has no part in it; for programs
  // kUnauthorized: the server refuses our certificate. Otherwise kUnavailable.
  ErrorKind kind = ErrorKind::kUnavailable;
  std::string sentence;  // names the server and the cause, for people
  // The request was sent, and no answer came in the time that one may take.
  bool time_limit = false;
};

struct Answer {
  std::uint64_t request_id = 0;
  // HTTP status, which is 200 for a chunk that was acknowledged over the forward protocol; 0 with a
  // network failure.
  int status = 0;
  std::string body;                                      // its first kAnswerBodyBytesMax bytes
  std::optional<std::chrono::milliseconds> retry_after;  // what the sink asked for
  std::optional<NetworkFailure> failure;
  // The sink may have stored the request although it did not say so: to send it again may make
  // duplicates.
  bool outcome_unknown = false;
  // The sink had the whole request and did not answer it, which over the forward protocol is all
  // that it ever says of events that it cannot take. Never over HTTP.
  bool is_silent = false;
  // From the moment at which it was sent on a connection to its answer; 0: not known.
  std::chrono::milliseconds round_trip{0};
  // How many times the request was sent again below us, on another connection, without a report.
  std::uint32_t hidden_resends = 0;
};

class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  // `request_id` must not be under way already. The number of requests at once is the caller's to
  // keep within the number of connections.
  virtual void start(std::uint64_t request_id, const std::string& url, std::string body) = 0;

  // Returns as soon as a request is finished, wake() was called, or `timeout` has passed. Empty: no
  // request is finished.
  virtual std::vector<Answer> poll(std::chrono::milliseconds timeout) = 0;

  // Makes the present poll() return, or the next one if there is none.
  virtual void wake() = 0;

  // Drops all requests under way; poll() will not report them. Their outcome stays unknown.
  virtual void cancel_all() = 0;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_TRANSPORT_H_
