// What is added to an event for its receiver: a member "_sluice" at its end that says where the
// event comes from, so that holes and duplicates can be found, and replays told from the first
// delivery.
//
//   "_sluice":{"replay":14,"queue":"9f...","lane":"audit","seq":42,"id":"0b..."}
//
// Every other byte of the event stays as it is. Pure; any thread.
#ifndef SLUICE_SHIPPER_STAMP_H_
#define SLUICE_SHIPPER_STAMP_H_

#include <cstdint>
#include <optional>
#include <string>

#include "queue/record.h"
#include "queue/types.h"

namespace sluice::shipper {

struct Stamp {
  queue::Lane lane = queue::Lane::kAudit;
  // The queue's id, for stamps of all events: these have the event's id, too. Empty: neither.
  std::string queue = {};
  // The job that sends the event once more.
  std::optional<std::uint64_t> replay = {};

  bool says_anything() const { return !queue.empty() || replay.has_value(); }
};

// Appends the event with its stamp, or as it is if the stamp says nothing. The record must be an
// event, and so a JSON object; its id must be UTF-8.
void append_event(const queue::StoredRecord& stored, const Stamp& stamp, std::string* out);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_STAMP_H_
