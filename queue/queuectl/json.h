// JSON as queuectl writes it for programs. Internal to queue/queuectl/. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_JSON_H_
#define SLUICE_QUEUE_QUEUECTL_JSON_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/time.h"

namespace sluice::queue {

using Json = nlohmann::ordered_json;

// The "schema" of each object. Changes only when a program that reads the output would have to
// change.
inline constexpr int kSchemaVersion = 1;

// Without a line end behind it; in one line, or indented by so many spaces.
inline std::string dump(const Json& json, int indent = -1) {
  // Bytes that are not UTF-8 (a reject's id, say) must not end the program.
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// Null where there is none.
inline Json optional_time(const std::optional<Timestamp>& time) {
  return time ? Json(format_rfc3339(*time)) : Json(nullptr);
}

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_JSON_H_
