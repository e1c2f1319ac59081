// The commands of the simulator's control socket.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_H_

#include <functional>
#include <string>

#include "tests/support/teleport_sim/audit_log_service.h"

namespace sluice::teleport_sim {

// Carries out one line and answers "ok", "ok RESULT", a JSON object (stats) or "error REASON".
//
//   unimplemented export on|off    both export methods answer Unimplemented
//   deny event|session|lock on|off the role lacks that right until "off"
//   freeze on|off                  nothing new can be seen until "off"
//   fail-after N CODE [TARGET]     the next call ends with CODE (such as Unavailable) after N
//                                  messages, once; TARGET: any, chunks, export, search, session
//   slow MS                        waits before each message and page
//   hide-recordings on|off         recordings answer NotFound
//   late-chunk YYYY-MM-DD N        a new chunk of N new events on a past day
//   add N                          N new events of now, in one chunk
//   add-session M                  a session.upload of now, with a recording of M events
//   stats                          counts
//   quit                           ends the program
//
// Thread-safe.
class Control {
 public:
  Control(const Simulation& simulation, std::function<void()> quit);
  std::string handle(const std::string& line);

 private:
  std::string set_flag(std::atomic<bool>* flag, const std::string& word);
  std::string deny(const std::vector<std::string>& words);
  std::string freeze(const std::string& word);
  std::string fail_after(const std::vector<std::string>& words);
  std::string late_chunk(const std::vector<std::string>& words);
  std::string slow(const std::vector<std::string>& words);
  std::string add(const std::vector<std::string>& words);
  std::string stats() const;

  Simulation simulation_;
  std::function<void()> quit_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CONTROL_H_
