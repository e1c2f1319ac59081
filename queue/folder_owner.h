// Working on a daemon's folder as the user that the folder belongs to, so that what a command makes
// there belongs to the daemon, whoever runs the command. Internal to queue/.
//
// Changes the effective user and group of the whole process until destroyed, so no other thread may
// be at work meanwhile, and two of them must not overlap. For commands, never in a daemon.
#ifndef SLUICE_QUEUE_FOLDER_OWNER_H_
#define SLUICE_QUEUE_FOLDER_OWNER_H_

#include <sys/types.h>

#include <filesystem>

#include "common/error.h"

namespace sluice::queue {

class FolderOwner {
 public:
  // kCannotCreate: the caller is neither root nor the folder's owner. kNotFound: no such folder.
  static Result<FolderOwner> become(const std::filesystem::path& folder);
  FolderOwner(FolderOwner&& other) noexcept;
  FolderOwner& operator=(FolderOwner&&) = delete;
  FolderOwner(const FolderOwner&) = delete;
  FolderOwner& operator=(const FolderOwner&) = delete;
  ~FolderOwner();

 private:
  FolderOwner(uid_t uid, gid_t gid, mode_t mask, bool changed)
      : uid_(uid), gid_(gid), mask_(mask), changed_(changed) {}
  uid_t uid_;  // to go back to
  gid_t gid_;
  mode_t mask_;
  bool changed_;
  bool active_ = true;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_FOLDER_OWNER_H_
