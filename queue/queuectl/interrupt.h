// SIGINT, SIGTERM and SIGHUP as a request to end, so that a command removes what is temporary, and
// gives the terminal back as it was.
//
// For commands that run long; the others are ended by these signals as any program is. A second
// signal ends the process at once. Process-wide: catch_interrupts() once, from main's thread,
// before there is another one.
#ifndef SLUICE_QUEUE_QUEUECTL_INTERRUPT_H_
#define SLUICE_QUEUE_QUEUECTL_INTERRUPT_H_

#include "common/error.h"

namespace sluice::queue {

void catch_interrupts();

// Whether one of them has come. System calls that wait end with EINTR then.
bool is_interrupted();

// kStopped, "WHAT was ended before it was done", if one has come.
Result<void> check_interrupted(const char* what);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_INTERRUPT_H_
