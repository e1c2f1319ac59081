// A library to preload into a program that is to die at a chosen moment of its work on files.
//
// It numbers, from 1, the calls by which the program changes files below some folders, and at one
// of them the program dies by SIGKILL. What it needs is in the environment:
//
//   KILL_SWITCH_FOLDERS  absolute paths without symbolic links, separated by ":"
//   KILL_SWITCH_AT       the number of the call to die at; 0: none
//   KILL_SWITCH_HOW      "before" the call, "after" it, or "half": with the first half of the bytes
//                        written (for calls that write none: before)
//   KILL_SWITCH_ERROR_AT the number of a call that does nothing and fails with EIO; 0: none
//   KILL_SWITCH_LOG      a file that gets the line "NUMBER CALL PATH" at every such call
//   KILL_SWITCH_ONLY     "syncs": count only fdatasync() and fsync()
//   KILL_SWITCH_CUT      folders, separated by ":", whose file systems lose power at that moment,
//                        too: from then on they take nothing more, and what was not synced is gone
//                        after the next mount (ext4 and XFS; needs root)
//
// A call with a higher number than the deadly one, on another thread, waits for the death that is
// coming, so that nothing is done after it. sync_file_range() is not counted, because it promises
// nothing about what survives, and neither are writes through a memory map, which nobody can see.
//
// Threads: any.
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/watched_files.h"

namespace {

using watched_files::number_setting;
using watched_files::text_setting;

enum class How : std::uint8_t { kBefore, kHalf, kAfter };

How how_setting() {
  const std::string_view how = text_setting("KILL_SWITCH_HOW");
  if (how == "after") return How::kAfter;
  return how == "half" ? How::kHalf : How::kBefore;
}

struct Switch {
  std::string_view folders = text_setting("KILL_SWITCH_FOLDERS");
  std::string_view cut = text_setting("KILL_SWITCH_CUT");
  bool only_syncs = text_setting("KILL_SWITCH_ONLY") == "syncs";
  long deadly = number_setting("KILL_SWITCH_AT");
  long failing = number_setting("KILL_SWITCH_ERROR_AT");
  How how = how_setting();
  int log = watched_files::log_setting("KILL_SWITCH_LOG");
  std::atomic<long> calls{0};
};

Switch& the_switch() {
  static Switch instance;
  return instance;
}

// The request of EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, which no header for programs has, and its
// argument: what is only in the journal's memory is lost, too.
constexpr unsigned long kShutDown = 0x8004587d;
constexpr std::uint32_t kWithoutFlush = 2;

void cut_power() {
  std::string_view rest = the_switch().cut;
  while (!rest.empty()) {
    const std::string folder(watched_files::take_folder(&rest));
    const int fd = static_cast<int>(
        syscall(SYS_openat, AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0 || ioctl(fd, kShutDown, &kWithoutFlush) != 0) abort();
  }
}

[[noreturn]] void die() {
  cut_power();
  kill(getpid(), SIGKILL);
  while (true) pause();
}

bool is_sync(std::string_view name) { return name == "fdatasync" || name == "fsync"; }

// One call. Makes the death come before it, in the middle or, by its destructor, after it.
class Call {
 public:
  Call(const char* name, int fd) {
    std::array<char, PATH_MAX> buffer;
    count(name, watched_files::path_of(fd, &buffer));
  }
  Call(const char* name, const char* path) { count(name, path); }
  ~Call() {
    if (deadly_) die();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Before a call that writes `size` bytes: how many it may write.
  std::size_t allowed(std::size_t size) const {
    return deadly_ && the_switch().how == How::kHalf ? size / 2 : size;
  }

  // Whether the call must not be made; errno says why.
  bool fails() const {
    if (failing_) errno = EIO;
    return failing_;
  }

  // For calls that write no bytes.
  void has_no_half() const {
    if (deadly_ && the_switch().how == How::kHalf) die();
  }

 private:
  void count(const char* name, std::string_view path) {
    Switch& all = the_switch();
    if (!watched_files::is_below_one_of(path, all.folders) || (all.only_syncs && !is_sync(name)))
      return;
    const long number = ++all.calls;
    if (all.deadly > 0 && number > all.deadly) {
      while (true) pause();
    }
    watched_files::write_line(all.log, number, name, path);
    failing_ = number == all.failing;
    deadly_ = number == all.deadly;
    if (deadly_ && all.how == How::kBefore) die();
  }

  bool deadly_ = false;
  bool failing_ = false;
};

// A call that writes no bytes, as the kernel has it.
template <typename Object, typename... Arguments>
int other_call(const char* name, Object object, long number, Arguments... arguments) {
  const Call call(name, object);
  call.has_no_half();
  if (call.fails()) return -1;
  return static_cast<int>(syscall(number, arguments...));
}

}  // namespace

// The standard library's calls that this library puts its own in place of.
extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  const Call call("write", fd);
  if (call.fails()) return -1;
  return syscall(SYS_write, fd, bytes, call.allowed(size));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  const Call call("pwrite", fd);
  if (call.fails()) return -1;
  return syscall(SYS_pwrite64, fd, bytes, call.allowed(size), offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pwrite(fd, bytes, size, offset);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  const Call call("writev", fd);
  if (call.fails()) return -1;
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  std::size_t left = call.allowed(size);
  if (left == size) return syscall(SYS_writev, fd, parts, count);
  for (int i = 0; i < count && left > 0; ++i) {
    const std::size_t part = left < parts[i].iov_len ? left : parts[i].iov_len;
    syscall(SYS_write, fd, parts[i].iov_base, part);
    left -= part;
  }
  return 0;
}

int fdatasync(int fd) { return other_call("fdatasync", fd, SYS_fdatasync, fd); }

int fsync(int fd) { return other_call("fsync", fd, SYS_fsync, fd); }

int ftruncate(int fd, off_t size) noexcept {
  return other_call("ftruncate", fd, SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }

int fallocate(int fd, int mode, off_t offset, off_t size) {
  return other_call("fallocate", fd, SYS_fallocate, fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  return fallocate(fd, mode, offset, size);
}

// Gives the error instead of setting errno.
int posix_fallocate(int fd, off_t offset, off_t size) {
  const int before = errno;
  const int failed = fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
  errno = before;
  return failed;
}

int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return posix_fallocate(fd, offset, size);
}

int rename(const char* from, const char* to) noexcept {
  return other_call("rename", to, SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  return other_call("renameat2", to, SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int unlink(const char* path) noexcept {
  return other_call("unlink", path, SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return other_call("mkdir", path, SYS_mkdirat, AT_FDCWD, path, mode);
}

int chmod(const char* path, mode_t mode) noexcept {
  return other_call("chmod", path, SYS_fchmodat, AT_FDCWD, path, mode);
}

}  // extern "C"
