// An exclusive lock on a file, by which a writer keeps a second one away before it touches
// anything else.
//
// The kernel releases it when the process dies, however it dies. The file holds the owner's process
// id, for people. Movable value; released when destroyed; the file stays.
#ifndef SLUICE_QUEUE_FILE_LOCK_H_
#define SLUICE_QUEUE_FILE_LOCK_H_

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "common/error.h"
#include "common/owned_fd.h"

namespace sluice::queue {

class FileLock {
 public:
  // kBusy: somebody else holds it; `what` names in the sentence what is in use ("the queue").
  static Result<FileLock> take(const std::filesystem::path& path, std::string_view what);

  // kIdentity: the file at the path is another one now, or none, so its folder was moved away or
  // replaced by a copy; `what` as above.
  Result<void> check_in_place(std::string_view what) const;

  // The process that holds the lock at `path` now; nothing when nobody does or the file is not
  // there. 0 when its number cannot be read. An error: the file may not be looked at. Only asks, so
  // it is never in anyone's way.
  static Result<std::optional<int>> holder(const std::filesystem::path& path);

 private:
  FileLock(OwnedFd file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}
  OwnedFd file_;
  std::filesystem::path path_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_FILE_LOCK_H_
