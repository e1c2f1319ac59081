// Writes a command's result.
#ifndef SLUICE_QUEUE_QUEUECTL_PRINT_H_
#define SLUICE_QUEUE_QUEUECTL_PRINT_H_

#include <string_view>

#include "common/error.h"

namespace sluice::queue {

// To standard output, at once. kStopped, with no sentence: its reader (such as head) has seen
// enough, which is no failure.
Result<void> print(std::string_view text);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_PRINT_H_
