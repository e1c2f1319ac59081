// In which form a request carries its events. Pure; any thread.
#ifndef SLUICE_COMMON_BODY_FORM_H_
#define SLUICE_COMMON_BODY_FORM_H_

#include <optional>
#include <string_view>

namespace sluice {

enum class BodyForm {
  kArray,   // a JSON array of events
  kNdjson,  // an event a line
  kSingle,  // one event a request, as it is
  // For the forward protocol, and by its URLs alone: msgpack, a uint32 (5 bytes) with the number of
  // events and then an entry of its PackedForward mode for each.
  kEntries,
};

// "array", "ndjson" or "single", which can be configured; nothing: it is none of them.
std::optional<BodyForm> body_form(std::string_view name);

// What such a body's Content-Type header says over HTTP.
std::string_view content_type(BodyForm form);

}  // namespace sluice

#endif  // SLUICE_COMMON_BODY_FORM_H_
