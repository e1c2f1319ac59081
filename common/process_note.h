// What this process has to say of itself to whoever looks at it from outside: what it does, its
// last trouble, how long its certificates last. For queuectl and for metrics.
//
// Process-wide. All functions may be called from any thread, and cost little.
#ifndef SLUICE_COMMON_PROCESS_NOTE_H_
#define SLUICE_COMMON_PROCESS_NOTE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace sluice {

struct ProcessNote {
  std::string version;
  std::int64_t started_ms = 0;  // unix time, as all that follow
  std::string state;            // what it does, or waits for: a sentence without its end
  std::int64_t state_since_ms = 0;
  std::string problem;  // the last warning or error in the log; empty: there was none
  std::int64_t problem_ms = 0;
  std::map<std::string, std::int64_t> certificates;  // when they end, by whose they are
};

// What it does now. Does nothing if it is the same as before, so that it may be told each time.
void note_state(std::string_view state);
// A warning or an error; the log tells of each.
void note_problem(std::string_view message);
// Replaces all that was known of them.
void note_certificates(std::map<std::string, std::int64_t> ends_ms);

ProcessNote process_note();

}  // namespace sluice

#endif  // SLUICE_COMMON_PROCESS_NOTE_H_
