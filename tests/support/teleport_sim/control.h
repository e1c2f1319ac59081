// The commands of the simulator's control socket.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/teleport_sim/simulation.h"

namespace sluice::teleport_sim {

// Carries out one line and answers "ok", "ok RESULT", a JSON object (stats) or "error REASON".
//
//   unimplemented export on|off    both export methods answer Unimplemented
//   deny event|session|lock on|off the role lacks that right until "off"
//   freeze on|off                  nothing new can be seen until "off"
//   fail-after N CODE [TARGET]     the next call ends with CODE (such as Unavailable) after N
//                                  messages, once; TARGET: any, chunks, export, search, session
//   slow MS                        waits before each message and page
//   rate-limit N                   calls above N a second end with ResourceExhausted; 0: none do
//   goaway MS                      the server leaves: GOAWAY on all connections, MS for calls under
//                                  way, then it comes back on the same port
//   connection-age MS              the server leaves and comes back, and tells connections of about
//                                  that age to go away; 0: none
//   forget-keys                    page keys and cursors given out so far are refused
//   duplicates on|off              some events come twice, on pages and in chunks
//   page-edges on|off              pages of a search that are short, empty, or the last but for a
//   key hide-recordings on|off         recordings answer NotFound late-chunk YYYY-MM-DD N        a
//   new chunk of N new events on a past day late-event SECONDS N           N new events whose time
//   is SECONDS ago, in one chunk add N                          N new events of now, in one chunk
//   add-large BYTES                a new event of now, larger by that many bytes than others
//   add-session M [SECONDS|never]  a session.upload of now, with a recording of M events that is
//                                  there SECONDS later, or never
//   stats                          counts
//   quit                           ends the program
//
// Thread-safe.
class Control {
 public:
  Control(const Simulation& simulation, std::function<void()> quit, std::function<void()> leave);
  std::string handle(const std::string& line);

 private:
  std::string change(const std::vector<std::string>& words);
  std::string add_something(const std::vector<std::string>& words);
  std::atomic<bool>* find_flag(const std::vector<std::string>& words);
  std::string set_flag(std::atomic<bool>* flag, const std::string& word);
  std::string freeze(const std::string& word);
  std::string fail_after(const std::vector<std::string>& words);
  std::string late_chunk(const std::vector<std::string>& words);
  std::string late_event(const std::vector<std::string>& words);
  std::string add_session(const std::vector<std::string>& words);
  std::string stats() const;

  Simulation simulation_;
  std::function<void()> quit_;
  std::function<void()> leave_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_H_
