// Reads events from a file with one JSON object a line, to be served as they are.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_REAL_EVENTS_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_REAL_EVENTS_H_

#include <string>
#include <vector>

#include "common/error.h"
#include "tests/support/teleport_sim/event.h"

namespace sluice::teleport_sim {

// Every line needs "event" and a "time" with a zone. In Teleport an id names one event, which
// samples do not respect: a uid that was seen on an earlier line is replaced by one made from the
// line's number, and an exact copy of an earlier line without a uid is left out.
Result<std::vector<Event>> load_events(const std::string& path);

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_REAL_EVENTS_H_
