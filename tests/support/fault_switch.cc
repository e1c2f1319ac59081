// A library to preload into a program whose disk is to fail at a chosen moment.
//
// It numbers, from 1, the program's calls on files below some folders; one of them, or all from it
// on until the outage ends, fail. What it needs is in the environment:
//
//   FAULT_SWITCH_FOLDERS  absolute paths without symbolic links, separated by ":"
//   FAULT_SWITCH_CALLS    "changes": what writes, syncs, makes, renames and deletes, and each
//                         opening (the default); "reads": reads only
//   FAULT_SWITCH_AT       the number of the first call that fails; 0: none
//   FAULT_SWITCH_COUNT    how many calls fail, 1 if not given
//   FAULT_SWITCH_MS       and for how long at most, from the first on; 0: no such limit
//   FAULT_SWITCH_HOW      "EIO", "ENOSPC", or "short": the first half of the bytes is written,
//   which
//                         the call says, and where more calls fail, they fail with ENOSPC; a call
//                         that writes no bytes fails with ENOSPC at once; or "hang": the call never
//                         returns
//   FAULT_SWITCH_LOG      a file that gets the line "NUMBER CALL PATH" at every call that failed
//
// With ENOSPC, calls that need no room go on to work: deleting, reading, opening what is there.
//
// Threads: any.

// With it, headers define some of these calls as inline functions of their own.
#undef _FORTIFY_SOURCE

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
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

enum class How : std::uint8_t { kEio, kEnospc, kShort, kHang };

How how_setting() {
  const std::string_view how = text_setting("FAULT_SWITCH_HOW");
  if (how == "ENOSPC") return How::kEnospc;
  if (how == "hang") return How::kHang;
  return how == "short" ? How::kShort : How::kEio;
}

struct Switch {
  std::string_view folders = text_setting("FAULT_SWITCH_FOLDERS");
  bool reads = text_setting("FAULT_SWITCH_CALLS") == "reads";
  long at = number_setting("FAULT_SWITCH_AT");
  long count =
      text_setting("FAULT_SWITCH_COUNT").empty() ? 1 : number_setting("FAULT_SWITCH_COUNT");
  long limit_ms = number_setting("FAULT_SWITCH_MS");
  How how = how_setting();
  int log = watched_files::log_setting("FAULT_SWITCH_LOG");
  std::atomic<long> calls{0};
  std::atomic<long> begin_ms{0};
};

Switch& the_switch() {
  static Switch instance;
  return instance;
}

long now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// What a call does with the disk.
enum class Kind : std::uint8_t {
  kWrite,     // writes bytes
  kGrow,      // needs room
  kNeedsNone  // needs no room
};

bool outage_is_on(long number) {
  Switch& all = the_switch();
  if (all.at <= 0 || number < all.at || number >= all.at + all.count) return false;
  long begin = 0;
  if (all.begin_ms.compare_exchange_strong(begin, now_ms())) return true;
  return all.limit_ms == 0 || now_ms() - begin < all.limit_ms;
}

// One call: whether it fails, and how.
class Call {
 public:
  Call(const char* name, Kind kind, int fd) {
    std::array<char, PATH_MAX> buffer;
    decide(name, kind, watched_files::path_of(fd, &buffer), false);
  }
  Call(const char* name, Kind kind, const char* path) { decide(name, kind, path, false); }
  static Call read(const char* name, int fd) {
    std::array<char, PATH_MAX> buffer;
    Call call;
    call.decide(name, Kind::kNeedsNone, watched_files::path_of(fd, &buffer), true);
    return call;
  }

  // If so, errno is set.
  bool fails() const {
    if (error_ != 0) errno = error_;
    return error_ != 0;
  }
  // How many of `size` bytes it writes.
  std::size_t allowed(std::size_t size) const { return half_ ? (size + 1) / 2 : size; }

 private:
  Call() = default;

  void decide(const char* name, Kind kind, std::string_view path, bool is_read) {
    Switch& all = the_switch();
    if (is_read != all.reads || !watched_files::is_below_one_of(path, all.folders)) return;
    const long number = ++all.calls;
    if (!outage_is_on(number)) return;
    const bool needs_room_only = all.how == How::kEnospc || all.how == How::kShort;
    if (needs_room_only && kind == Kind::kNeedsNone) return;
    watched_files::write_line(all.log, number, name, path);
    while (all.how == How::kHang) pause();
    half_ = all.how == How::kShort && kind == Kind::kWrite && number == all.at;
    if (!half_) error_ = all.how == How::kEio ? EIO : ENOSPC;
  }

  int error_ = 0;
  bool half_ = false;
};

// A call that writes no bytes, as the kernel has it.
template <typename Object, typename... Arguments>
int other_call(const char* name, Kind kind, Object object, long number, Arguments... arguments) {
  const Call call(name, kind, object);
  if (call.fails()) return -1;
  return static_cast<int>(syscall(number, arguments...));
}

Kind kind_of_open(int flags) { return (flags & O_CREAT) != 0 ? Kind::kGrow : Kind::kNeedsNone; }

int open_at(int folder, const char* path, int flags, mode_t mode) {
  return other_call("open", kind_of_open(flags), path, SYS_openat, folder, path, flags, mode);
}

// Relative paths are not watched.
mode_t mode_argument(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// The standard library's calls that this library puts its own in place of.
extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  const Call call("write", Kind::kWrite, fd);
  if (call.fails()) return -1;
  return syscall(SYS_write, fd, bytes, call.allowed(size));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  const Call call("pwrite", Kind::kWrite, fd);
  if (call.fails()) return -1;
  return syscall(SYS_pwrite64, fd, bytes, call.allowed(size), offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pwrite(fd, bytes, size, offset);
}

// A short one writes half of its first part.
ssize_t writev(int fd, const iovec* parts, int count) {
  const Call call("writev", Kind::kWrite, fd);
  if (call.fails()) return -1;
  const std::size_t first = count > 0 ? parts[0].iov_len : 0;
  if (call.allowed(first) < first) {
    return syscall(SYS_write, fd, parts[0].iov_base, call.allowed(first));
  }
  return syscall(SYS_writev, fd, parts, count);
}

ssize_t read(int fd, void* bytes, size_t size) {
  const Call call = Call::read("read", fd);
  if (call.fails()) return -1;
  return syscall(SYS_read, fd, bytes, size);
}

ssize_t pread(int fd, void* bytes, size_t size, off_t offset) {
  const Call call = Call::read("pread", fd);
  if (call.fails()) return -1;
  return syscall(SYS_pread64, fd, bytes, size, offset);
}

ssize_t pread64(int fd, void* bytes, size_t size, off64_t offset) {
  return pread(fd, bytes, size, offset);
}

int fdatasync(int fd) { return other_call("fdatasync", Kind::kGrow, fd, SYS_fdatasync, fd); }

int fsync(int fd) { return other_call("fsync", Kind::kGrow, fd, SYS_fsync, fd); }

// Without flags it touches no disk: RocksDB asks in this way whether there is such a call.
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  if (flags == 0) {
    return static_cast<int>(syscall(SYS_sync_file_range, fd, offset, size, flags));
  }
  return other_call("sync_file_range", Kind::kGrow, fd, SYS_sync_file_range, fd, offset, size,
                    flags);
}

int ftruncate(int fd, off_t size) noexcept {
  return other_call("ftruncate", Kind::kNeedsNone, fd, SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }

int fallocate(int fd, int mode, off_t offset, off_t size) {
  return other_call("fallocate", Kind::kGrow, fd, SYS_fallocate, fd, mode, offset, size);
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

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  return open_at(folder, path, flags, mode);
}

int rename(const char* from, const char* to) noexcept {
  return other_call("rename", Kind::kGrow, to, SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char* path) noexcept {
  return other_call("unlink", Kind::kNeedsNone, path, SYS_unlinkat, AT_FDCWD, path, 0);
}

int rmdir(const char* path) noexcept {
  return other_call("rmdir", Kind::kNeedsNone, path, SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return other_call("mkdir", Kind::kGrow, path, SYS_mkdirat, AT_FDCWD, path, mode);
}

int chmod(const char* path, mode_t mode) noexcept {
  return other_call("chmod", Kind::kNeedsNone, path, SYS_fchmodat, AT_FDCWD, path, mode);
}

}  // extern "C"
