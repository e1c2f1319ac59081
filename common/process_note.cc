#include "common/process_note.h"

#include <mutex>
#include <utility>

#include "common/time.h"

namespace sluice {
namespace {

std::int64_t now_ms() { return to_unix_ms(system_clock().now()); }

struct Kept {
  std::mutex mutex;
  ProcessNote note{.version = SLUICE_VERSION,
                   .started_ms = now_ms(),
                   .state = "starting",
                   .state_since_ms = now_ms(),
                   .problem = {},
                   .problem_ms = 0,
                   .certificates = {}};
};

// Not destroyed at exit, since threads may still log. Made at the program's start, whose time it
// has.
Kept& kept() {
  static auto* const the_one = new Kept;
  return *the_one;
}
[[maybe_unused]] const Kept& made_at_start = kept();

}  // namespace

void note_state(std::string_view state) {
  const std::lock_guard lock(kept().mutex);
  ProcessNote& note = kept().note;
  if (note.state == state) return;
  note.state = state;
  note.state_since_ms = now_ms();
}

void note_problem(std::string_view message) {
  const std::lock_guard lock(kept().mutex);
  kept().note.problem = message;
  kept().note.problem_ms = now_ms();
}

void note_certificates(std::map<std::string, std::int64_t> ends_ms) {
  const std::lock_guard lock(kept().mutex);
  kept().note.certificates = std::move(ends_ms);
}

ProcessNote process_note() {
  const std::lock_guard lock(kept().mutex);
  return kept().note;
}

}  // namespace sluice
