// The shapes of the events that the simulator makes up.
//
// A shape is a JSON object in which a string "$NAME" stands for a value that each event gets for
// itself: $user $login $host $addr $uuid $word $text $int $big $negative $fraction $bool $path
// $base64. Everything else is served as written.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_TEMPLATES_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_TEMPLATES_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sluice::teleport_sim {

struct EventTemplate {
  std::string type;
  std::string code;
  nlohmann::json shape;
};

// Of the audit log, apart from session.upload.
const std::vector<EventTemplate>& audit_templates();

// Of recordings, between session.start and session.end.
const std::vector<EventTemplate>& recording_templates();

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_TEMPLATES_H_
