// A line on stderr that says how far a command is, rewritten in place; only where stderr is a
// terminal.
//
// One thread. The line is gone when this is destroyed.
#ifndef SLUICE_QUEUE_QUEUECTL_PROGRESS_LINE_H_
#define SLUICE_QUEUE_QUEUECTL_PROGRESS_LINE_H_

#include <cstddef>
#include <string_view>

namespace sluice::queue {

class ProgressLine {
 public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  void show(std::string_view text);

 private:
  bool is_terminal_;
  std::size_t width_ = 0;  // of what is shown
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_PROGRESS_LINE_H_
