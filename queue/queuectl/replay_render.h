// Replay jobs and what a replay would send, as text: for people, and JSON for programs. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_REPLAY_RENDER_H_
#define SLUICE_QUEUE_QUEUECTL_REPLAY_RENDER_H_

#include <string>
#include <vector>

#include "queue/queuectl/replay_scan.h"
#include "queue/replay_job.h"

namespace sluice::queue {

std::string scan_text(const ReplayQuestion& question, const ReplayScan& scan);
std::string scan_json(const ReplayQuestion& question, const ReplayScan& scan);

std::string replay_text(const ReplayJob& job);
// One object, one line.
std::string replay_json(const ReplayJob& job);

// "replay 14: 500 of 1,000 events sent": for somebody who waits.
std::string progress_line(const ReplayJob& job);

std::string replays_table(const std::vector<ReplayJob>& jobs);

// "JOBS  replay 14  audit 1..500  61% of 402,113, 500/s  by uid 0 (anna) "INC-4711"": a line for
// each active job, of the screen that `status` shows.
std::string jobs_lines(const std::vector<ReplayJob>& jobs);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_REPLAY_RENDER_H_
