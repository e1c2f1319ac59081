// Unix sockets by which queuectl and the shipper talk. Internal to queue/control/.
#ifndef SLUICE_QUEUE_CONTROL_SOCKET_H_
#define SLUICE_QUEUE_CONTROL_SOCKET_H_

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "common/error.h"

namespace sluice::queue {

// A file descriptor that is closed at the end.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd();
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

// A non-blocking socket that listens at `path`, which the owner and the group may connect to.
// Replaces a socket that is there; the caller has made sure that it is nobody's.
Result<OwnedFd> listen_at(const std::filesystem::path& path);

// kNotFound: there is no socket, or nobody listens.
Result<OwnedFd> connect_to(const std::filesystem::path& path);

// Whose process is at the other end; nothing if the kernel does not say.
std::optional<uid_t> peer_uid(int fd);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_SOCKET_H_
