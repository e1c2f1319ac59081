// The terminal that a command shows its screen on.
//
// One thread. FullScreen takes the terminal over while it lives, and gives it back as it was.
#ifndef SLUICE_QUEUE_QUEUECTL_TERMINAL_H_
#define SLUICE_QUEUE_QUEUECTL_TERMINAL_H_

#include <termios.h>

#include <chrono>
#include <optional>
#include <string_view>

#include "common/error.h"
#include "queue/queuectl/screen_text.h"

namespace sluice::queue {

// Of standard output, as it is now; nothing: it is no terminal. UTF-8 by the locale, colours unless
// NO_COLOR is set or TERM is "dumb". `rows` is 0.
std::optional<ScreenStyle> terminal_style();

class FullScreen {
 public:
  // Standard output must be a terminal.
  FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen();

  // With the rows of the window as it is now.
  ScreenStyle style() const;
  // In place of what is there.
  Result<void> show(std::string_view text);

  enum class Event { kTimeout, kResized, kQuit };
  // Until something comes, or `timeout` has passed. An interrupt is kQuit, and so are the key q and
  // the end of the keyboard's input.
  Event wait(std::chrono::milliseconds timeout);

 private:
  std::optional<termios> before_;  // of standard input, if that is a terminal
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_TERMINAL_H_
