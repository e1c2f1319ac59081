// Runs the `check` of a daemon's program, and reads what it found.
//
// As a process of its own, since neither queuectl nor the programs know each other's parts. Each is
// started by begin() and waited for by finish(), so that several can be at work at once. One
// thread.
#ifndef SLUICE_QUEUE_QUEUECTL_CHECK_PROGRAM_H_
#define SLUICE_QUEUE_QUEUECTL_CHECK_PROGRAM_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/finding.h"
#include "common/owned_fd.h"

namespace sluice::queue {

class CheckProgram {
 public:
  // kNotFound: there is no such program.
  static Result<CheckProgram> begin(const std::filesystem::path& program,
                                    const std::vector<std::string>& arguments);
  CheckProgram(CheckProgram&& other) noexcept;
  CheckProgram& operator=(CheckProgram&&) = delete;
  CheckProgram(const CheckProgram&) = delete;
  CheckProgram& operator=(const CheckProgram&) = delete;
  // Ends it, if it still runs.
  ~CheckProgram();

  // kUnavailable: it has not ended after two minutes. kRejected: it printed no report.
  Result<FindingReport> finish();

 private:
  CheckProgram(std::filesystem::path program, pid_t pid, OwnedFd output)
      : program_(std::move(program)), pid_(pid), output_(std::move(output)) {}
  void end(bool by_force);

  std::filesystem::path program_;
  pid_t pid_;  // 0: it was waited for
  OwnedFd output_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_CHECK_PROGRAM_H_
