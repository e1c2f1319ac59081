// One event as Teleport hands it over, decoded from teleport.auditlog.v1.EventUnstructured wire
// bytes into what the queue stores.
//
// What cannot become an event becomes a Reject, never nothing: its bytes and the reason go into the
// queue in the event's place. Decoding therefore goes on past whatever it can, so that a reject has
// the id, type and time that were readable. Values own their strings. One EventDecoder a thread.
#ifndef SLUICE_FETCHER_TRANSCODE_EVENT_H_
#define SLUICE_FETCHER_TRANSCODE_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "common/time.h"
#include "fetcher/transcode/transcoder.h"

namespace sluice::fetcher {

// Most bytes of an event's body as it comes.
inline constexpr std::size_t kEventBytesMax = 64U << 20;

// Of a user.login event without success.
struct FailedLogin {
  std::string user;   // never empty
  std::string login;  // on the host; mostly empty
};

struct Event {
  std::string id;    // never empty: the lower-case hex SHA-256 of the JSON where Teleport has none
  std::string type;  // for example "user.login"
  Timestamp time;
  std::int64_t index = 0;
  std::string json;  // one JSON object with a usable "time"
  std::string sid;   // the recording's session id; only of session.upload events
  std::optional<FailedLogin> failed_login;
};

struct Reject {
  std::string id;    // never empty: the lower-case hex SHA-256 of the bytes where there is none
  std::string type;  // may be empty, as may be the time
  Timestamp time;
  std::int64_t index = 0;
  std::string reason;  // one sentence
  std::string bytes;   // the EventUnstructured message as it was received; empty if it is too large
};

// Whether a receiver that reads times by "%Y-%m-%dT%H:%M:%S" takes `text`: such a time, with or
// without a fraction and a zone after it.
bool is_usable_time(std::string_view text);

class EventDecoder {
 public:
  EventDecoder();

  std::expected<Event, Reject> decode(std::string_view message);

 private:
  struct Envelope;
  static bool read_envelope(std::string_view message, Envelope* envelope);
  std::expected<Event, std::string> to_event(const Envelope& envelope);
  std::optional<FailedLogin> failed_login() const;

  Transcoder transcoder_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TRANSCODE_EVENT_H_
