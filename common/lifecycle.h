// The life of a daemon: stopping and reloading by signal, and telling systemd how it is.
#ifndef SLUICE_COMMON_LIFECYCLE_H_
#define SLUICE_COMMON_LIFECYCLE_H_

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "common/error.h"

namespace sluice {

// Turns SIGTERM and SIGINT into a stop request, and a second one of them into the immediate end of
// the process with status 143 or 130, which for the queue is the same as a kill -9. SIGPIPE is
// ignored, so that a lost connection is an error of write() and nothing else. SIGHUP calls
// `on_hangup` on a thread of its own, never twice at once, and not once a stop was requested.
//
// One object a process, made in main() before any other thread exists, since threads inherit the
// signal mask; destroyed after all of them have ended. Threads of its own wait for the signals and
// run the stop callbacks. The destructor puts the mask and the treatment of SIGPIPE back.
class SignalStop {
 public:
  static Result<std::unique_ptr<SignalStop>> start(std::function<void()> on_hangup = {});

  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;
  ~SignalStop();

  // A copy of the source shares its state: it can request a stop for other reasons, too.
  std::stop_source source() const;
  std::stop_token token() const;

 private:
  class Watch;
  explicit SignalStop(std::unique_ptr<Watch> watch);

  std::unique_ptr<Watch> watch_;
};

// Messages to systemd (sd_notify(3)), callable from any thread. They do nothing when systemd did
// not start this program; one that cannot be sent is lost, with a debug line.
void notify_ready();
// One line for `systemctl status`; line ends become spaces.
void notify_status(std::string_view text);
void notify_stopping();
// Until notify_ready(), systemd shows the unit as reloading.
void notify_reloading();
// For its watchdog.
void notify_alive();

}  // namespace sluice

#endif  // SLUICE_COMMON_LIFECYCLE_H_
