// Events of about 1 KB as Teleport's bulk export sends them: those of the simulator's kinds and
// texts whose JSON has between 512 and 1,840 bytes, on average about 1,000.
//
// The same seed gives the same events. What must differ from event to event can be written over in
// place: the id, in the envelope and in the body, and the cursor. Immutable but for that; any
// thread.
#ifndef SLUICE_TESTS_BENCH_WIRE_EVENTS_H_
#define SLUICE_TESTS_BENCH_WIRE_EVENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/time.h"

namespace sluice::bench {

class WireEvent {
 public:
  // `message`: a serialised ExportEventUnstructured with `uid` twice, and `cursor`, in it.
  WireEvent(std::string message, std::string_view uid, std::string_view cursor);

  const std::string& message() const { return message_; }

  // Writes the event to `to`, message().size() bytes, as the one of that id and place in its chunk.
  void copy(std::uint64_t id, std::uint64_t place, char* to) const;

 private:
  std::string message_;
  std::array<std::size_t, 2> id_ends_{};  // behind its digits
  std::size_t cursor_end_ = 0;
};

// `count` events of that day, in the order of their times.
std::vector<WireEvent> make_wire_events(std::size_t count, Day day, std::uint64_t seed);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_WIRE_EVENTS_H_
