#include "queue/queuectl/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace sluice::queue {

ProgressLine::ProgressLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (width_ > 0) fmt::print(stderr, "\r{:{}}\r", "", width_);
}

void ProgressLine::show(std::string_view text) {
  if (!is_terminal_) return;
  fmt::print(stderr, "\r{:<{}}", text, std::exchange(width_, text.size()));
}

}  // namespace sluice::queue
