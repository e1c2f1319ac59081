#include "common/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sluice {
namespace {

constexpr std::size_t kReadBytes = 65'536;

// Owns a file descriptor.
class OpenFile {
 public:
  OpenFile(const std::filesystem::path& path, int flags)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

Result<void> check_kind(const OpenFile& file, const std::filesystem::path& path) {
  if (file.fd() < 0) return fail(errno_error("open", path.native()));
  struct stat status{};
  if (::fstat(file.fd(), &status) != 0) return fail(errno_error("look at", path.native()));
  if (S_ISDIR(status.st_mode)) {
    return fail(ErrorKind::kIo, fmt::format("cannot read {}: it is a directory", path.native()));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const OpenFile file(path, 0);
  SLUICE_TRY(check_kind(file, path));
  std::string content;
  while (content.size() <= max_bytes) {
    const std::size_t had = content.size();
    content.resize(had + std::min(kReadBytes, max_bytes + 1 - had));
    const ssize_t got = ::read(file.fd(), content.data() + had, content.size() - had);
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
  return check_kind(OpenFile(path, O_NONBLOCK), path);
}

}  // namespace sluice
