#include "common/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/owned_fd.h"

namespace sluice {
namespace {

constexpr std::size_t kReadBytes = 65'536;

Result<OwnedFd> open_to_read(const std::filesystem::path& path, int flags) {
  OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (!file.is_open()) return fail(errno_error("open", path.native()));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return fail(errno_error("look at", path.native()));
  if (S_ISDIR(status.st_mode)) {
    return fail(ErrorKind::kIo, fmt::format("cannot read {}: it is a directory", path.native()));
  }
  return file;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  SLUICE_ASSIGN(const OwnedFd file, open_to_read(path, 0));
  std::string content;
  while (content.size() <= max_bytes) {
    const std::size_t had = content.size();
    content.resize(had + std::min(kReadBytes, max_bytes + 1 - had));
    const ssize_t got = ::read(file.get(), content.data() + had, content.size() - had);
    if (got < 0 && errno != EINTR) return fail(errno_error("read", path.native()));
    content.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return content;
  }
  return fail(ErrorKind::kIo,
              fmt::format("cannot read {}: it is longer than the {} bytes that are allowed",
                          path.native(), max_bytes));
}

Result<void> check_readable(const std::filesystem::path& path) {
  // Not waiting, or a pipe that nobody writes to would hold up the start for ever.
  SLUICE_TRY(open_to_read(path, O_NONBLOCK));
  return {};
}

// A write that takes a part only says why not more when it is asked for the rest.
Result<void> write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t taken = ::write(fd, content.data(), content.size());
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return fail(errno_error("write", path.native()));
    content.remove_prefix(static_cast<std::size_t>(taken));
  }
  return {};
}

Result<void> sync_directory(const std::filesystem::path& directory) {
  const OwnedFd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return fail(errno_error("open", directory.native()));
  if (::fsync(folder.get()) == 0) return {};
  return fail(errno_error("sync", directory.native()));
}

}  // namespace sluice
