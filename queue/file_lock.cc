#include "queue/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <utility>

namespace sluice::queue {
namespace {

// A lock of the open file (not of the process, as POSIX's are), on all of it.
struct flock whole_file() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

int read_pid(int fd) {
  std::array<char, 16> text{};
  const ssize_t length = ::pread(fd, text.data(), text.size(), 0);
  int pid = 0;
  if (length > 0) std::from_chars(text.data(), text.data() + length, pid);
  return pid;
}

}  // namespace

Result<FileLock> FileLock::take(const std::filesystem::path& path, std::string_view what) {
  OwnedFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!file.is_open()) return fail(errno_error("open the lock file", path.string()));
  struct flock whole = whole_file();
  if (::fcntl(file.get(), F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) return fail(errno_error("lock", path.string()));
    return fail(ErrorKind::kBusy,
                fmt::format("{} at {} is in use by process {}: stop that one first", what,
                            path.parent_path().string(), read_pid(file.get())));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  // The number is for people only, so a full disk must not keep the lock from being taken.
  if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), pid.data(), pid.size(), 0) < 0) {
    errno = 0;
  }
  return FileLock(std::move(file), path);
}

Result<void> FileLock::check_in_place(std::string_view what) const {
  struct stat ours{};
  struct stat there{};
  if (::fstat(file_.get(), &ours) != 0) {
    return fail(errno_error("look at the lock file", path_.string()));
  }
  const bool is_there = ::stat(path_.c_str(), &there) == 0;
  if (!is_there && errno != ENOENT && errno != ENOTDIR) {
    return fail(errno_error("look at the lock file", path_.string()));
  }
  if (is_there && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino) return {};
  return fail(
      ErrorKind::kIdentity,
      fmt::format("{} at {} was {} while this process had it open: stop both daemons before "
                  "folders are moved or restored, and start them afterwards",
                  what, path_.parent_path().string(),
                  is_there ? "replaced by another" : "moved away or deleted"));
}

Result<std::optional<int>> FileLock::holder(const std::filesystem::path& path) {
  const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::nullopt;
    return fail(errno_error("look at the lock file", path.string()));
  }
  struct flock whole = whole_file();
  if (::fcntl(file.get(), F_OFD_GETLK, &whole) != 0) {
    return fail(errno_error("look at the lock file", path.string()));
  }
  if (whole.l_type == F_UNLCK) return std::nullopt;
  return read_pid(file.get());
}

}  // namespace sluice::queue
