#include "queue/queuectl/print.h"

#include <cerrno>
#include <cstdio>

namespace sluice::queue {

Result<void> print(std::string_view text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written) return {};
  if (errno == EPIPE) return fail(ErrorKind::kStopped, "");
  return fail(errno_error("write", "standard output"));
}

}  // namespace sluice::queue
