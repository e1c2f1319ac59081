#include "common/owned_fd.h"

#include <unistd.h>

namespace sluice {

OwnedFd::~OwnedFd() {
  if (is_open()) ::close(fd_);
}

}  // namespace sluice
