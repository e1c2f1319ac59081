#include "queue/queuectl/output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <utility>

#include "common/files.h"
#include "queue/queuectl/interrupt.h"

namespace sluice::queue {
namespace {

constexpr int kWaitMs = 1000;

bool is_regular(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

Result<Output> Output::open(std::string path) {
  if (path.empty()) return Output({}, OwnedFd());
  OwnedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail(errno_error("make the file", path));
  return Output(std::move(path), std::move(file));
}

Output::Output(std::string path, OwnedFd file)
    : path_(std::move(path)),
      file_(std::move(file)),
      may_wait_(!file_.is_open() && !is_regular(STDOUT_FILENO)) {}

Output::~Output() {
  if (file_.is_open()) ::unlink(path_.c_str());
}

// A pipe that is ready takes PIPE_BUF bytes without waiting.
Result<void> Output::wait_for_reader(const std::function<void()>& on_wait) const {
  for (;;) {
    pollfd ready{STDOUT_FILENO, POLLOUT, 0};
    if (::poll(&ready, 1, kWaitMs) > 0) return {};
    SLUICE_TRY(check_interrupted("writing"));
    if (on_wait) on_wait();
  }
}

Result<void> Output::write(std::string_view text, const std::function<void()>& on_wait) {
  while (!text.empty()) {
    if (may_wait_) SLUICE_TRY(wait_for_reader(on_wait));
    const std::size_t most = may_wait_ ? std::min<std::size_t>(text.size(), PIPE_BUF) : text.size();
    const int fd = file_.is_open() ? file_.get() : STDOUT_FILENO;
    const ssize_t taken = ::write(fd, text.data(), most);
    if (taken >= 0) {
      text.remove_prefix(static_cast<std::size_t>(taken));
    } else if (errno == EPIPE) {
      return fail(ErrorKind::kStopped, "");
    } else if (errno == EINTR) {
      SLUICE_TRY(check_interrupted("writing"));
    } else if (errno != EAGAIN) {
      return fail(errno_error("write", path_.empty() ? "standard output" : path_));
    }
  }
  return {};
}

Result<void> Output::finish() {
  if (!file_.is_open()) return {};
  if (::fsync(file_.get()) != 0) return fail(errno_error("sync", path_));
  SLUICE_TRY(sync_directory(std::filesystem::absolute(path_).parent_path()));
  file_ = OwnedFd();
  return {};
}

}  // namespace sluice::queue
