// Where a command writes what may be long: standard output, or a new file.
//
// One thread. Writes are never kept back. A file is there under its name as soon as it is begun, is
// on disk with its name once finish() has returned success, and is deleted if that is never called.
#ifndef SLUICE_QUEUE_QUEUECTL_OUTPUT_H_
#define SLUICE_QUEUE_QUEUECTL_OUTPUT_H_

#include <functional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/owned_fd.h"

namespace sluice::queue {

class Output {
 public:
  // `path` empty: standard output. Errors: the file is there already, or cannot be made.
  static Result<Output> open(std::string path);
  Output(Output&& other) noexcept = default;
  Output& operator=(Output&&) = delete;
  Output(const Output&) = delete;
  ~Output();

  // `on_wait` is called about once a second while nobody takes what is written to a pipe.
  //
  // kStopped: without a sentence, the reader (such as head) has seen enough, which is no failure;
  // with one, an interrupt has come.
  Result<void> write(std::string_view text, const std::function<void()>& on_wait = {});
  Result<void> finish();

 private:
  Output(std::string path, OwnedFd file);
  Result<void> wait_for_reader(const std::function<void()>& on_wait) const;

  std::string path_;  // empty: standard output
  OwnedFd file_;      // none with standard output
  bool may_wait_ = false;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_OUTPUT_H_
