// An audit event as the simulator serves it, and what the catalogue keeps of it.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "common/time.h"
#include "teleport/auditlog/v1/auditlog.pb.h"

namespace sluice::teleport_sim {

struct Event {
  std::string type;
  std::string id;
  Timestamp time;
  std::int64_t index = 0;
  nlohmann::json body;
};

// All that is needed to make an audit event again. `session` is the index of the session whose
// upload it announces, or kNoSession.
struct Entry {
  static constexpr std::int32_t kNoSession = -1;
  Timestamp time;
  std::uint32_t number = 0;
  std::int32_t session = kNoSession;
  std::uint32_t more_bytes = 0;  // of text, beside what such an event has
};

// A session with a recording, which can be had from `available_at` on: that may be later than its
// announcement, or never. `number` tells its events from those of other sessions.
struct Session {
  std::string sid;
  Timestamp uploaded_at;
  Timestamp available_at;
  std::uint32_t number = 0;
  std::uint32_t events = 0;
};

// How Teleport puts an event on the wire: every number becomes a double.
void to_message(const Event& event, teleport::auditlog::v1::EventUnstructured* message);

// Lower-case hex SHA-256 of the body's JSON: the id that Teleport gives to an event without uid.
std::string hash_id(const nlohmann::json& body);

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_H_
