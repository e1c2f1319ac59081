#include "queue/queuectl/interrupt.h"

#include <fmt/format.h>
#include <signal.h>

#include <atomic>

namespace sluice::queue {
namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is set by a signal's handler");

void note(int /*signal*/) { interrupted = true; }

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // without SA_RESTART: waits are to end
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

bool is_interrupted() { return interrupted; }

Result<void> check_interrupted(const char* what) {
  if (!is_interrupted()) return {};
  return fail(ErrorKind::kStopped, fmt::format("{} was ended before it was done", what));
}

}  // namespace sluice::queue
