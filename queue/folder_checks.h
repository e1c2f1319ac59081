// What both daemons' `check` looks at in an instance's folder: owners and modes, the stores'
// formats, whether the two halves belong together, and room on the disk.
//
// Reads directories, FORMAT files and control pages; opens no database and takes no lock.
#ifndef SLUICE_QUEUE_FOLDER_CHECKS_H_
#define SLUICE_QUEUE_FOLDER_CHECKS_H_

#include "common/config.h"
#include "common/self_check.h"

namespace sluice::queue {

// The folders, as `program` (a daemon) needs them.
void check_folders(Program program, const CheckContext& context, Findings* findings);

// The store that `program` writes: its format, and for the shipper that it is of this queue.
void check_store(Program program, const CheckContext& context, Findings* findings);

// Room on the queue's file system, against the configured limits.
void check_disk(const CheckContext& context, Findings* findings);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_FOLDER_CHECKS_H_
