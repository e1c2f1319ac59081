#include "queue/folder_owner.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/check.h"

namespace sluice::queue {
namespace {

constexpr mode_t kDaemonMask = 0027;  // as the daemons' units set it

}  // namespace

Result<FolderOwner> FolderOwner::become(const std::filesystem::path& folder) {
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0) return fail(errno_error("look at", folder.string()));
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (info.st_uid == uid) return FolderOwner(uid, gid, ::umask(kDaemonMask), false);
  if (uid != 0) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("{} belongs to the user with id {}: run this command as root or as "
                            "that user",
                            folder.string(), info.st_uid));
  }
  // The group first: it may not be changed any more when root's rights are gone.
  if (::setegid(info.st_gid) != 0 || ::seteuid(info.st_uid) != 0) {
    Error error = errno_error("become the owner of", folder.string());
    const bool back = ::seteuid(uid) == 0 && ::setegid(gid) == 0;
    SLUICE_CHECK(back, "root can become root again");
    return fail(std::move(error));
  }
  return FolderOwner(uid, gid, ::umask(kDaemonMask), true);
}

FolderOwner::FolderOwner(FolderOwner&& other) noexcept
    : uid_(other.uid_),
      gid_(other.gid_),
      mask_(other.mask_),
      changed_(other.changed_),
      active_(std::exchange(other.active_, false)) {}

FolderOwner::~FolderOwner() {
  if (!active_) return;
  ::umask(mask_);
  if (!changed_) return;
  const bool back = ::seteuid(uid_) == 0 && ::setegid(gid_) == 0;
  SLUICE_CHECK(back, "root can become root again");
}

}  // namespace sluice::queue
