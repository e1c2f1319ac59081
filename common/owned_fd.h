// A file descriptor that is closed at the end. Movable value.
#ifndef SLUICE_COMMON_OWNED_FD_H_
#define SLUICE_COMMON_OWNED_FD_H_

#include <utility>

namespace sluice {

class OwnedFd {
 public:
  // What open(2), socket(2) and the like return; below 0: none.
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    OwnedFd closes_the_old(std::move(other));
    std::swap(fd_, closes_the_old.fd_);
    return *this;
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd();

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // The caller's from then on.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_OWNED_FD_H_
