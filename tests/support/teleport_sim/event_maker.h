// Makes the simulator's events out of a seed and a number, whenever they are asked for.
//
// The same seed, number and time give the same event, so nothing need be kept. Sizes follow what
// was seen in practice: half below about 1 KiB, one in a hundred above 20 KB, a few of 200-700 KB.
// Immutable once made, so safe from any thread.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_MAKER_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_MAKER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/teleport_sim/event.h"

namespace sluice::teleport_sim {

class EventMaker {
 public:
  // Events below real_audit.size() are those; a recording is `real_recording` when that has any,
  // with the recording's own session id in place.
  EventMaker(std::uint64_t seed, std::string cluster, std::vector<Event> real_audit,
             std::vector<Event> real_recording);

  // `sessions` resolves entry.session; only its session id is used.
  Event audit_event(const Entry& entry, const std::string& sid) const;
  Event recording_event(const Session& session, std::uint32_t index) const;

  // Cheaper than making the event.
  std::string audit_type(const Entry& entry) const;
  std::string audit_id(const Entry& entry, const std::string& sid) const;

  std::string session_id(std::uint32_t session_number) const;
  std::string chunk_name(Day day, std::uint32_t first_number) const;

  const std::vector<Event>& real_audit() const { return real_audit_; }
  const std::vector<Event>& real_recording() const { return real_recording_; }
  std::uint64_t seed() const { return seed_; }
  const std::string& cluster() const { return cluster_; }

 private:
  std::string uid(const Entry& entry) const;
  Event upload_event(const Entry& entry, const std::string& sid) const;
  Event made_up_event(const Entry& entry) const;

  const std::uint64_t seed_;
  const std::string cluster_;
  const std::vector<Event> real_audit_;
  const std::vector<Event> real_recording_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_EVENT_MAKER_H_
