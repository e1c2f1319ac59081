#include "queue/queuectl/terminal.h"

#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <clocale>
#include <cstdlib>
#include <string>

#include "queue/queuectl/interrupt.h"
#include "queue/queuectl/print.h"

namespace sluice::queue {
namespace {

std::atomic<bool> resized = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is set by a signal's handler");

void note_resize(int /*signal*/) { resized = true; }

bool has_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool is_dumb() {
  const char* const term = std::getenv("TERM");
  return term == nullptr || std::string_view(term) == "dumb" || *term == '\0';
}

bool is_utf8_locale() {
  const char* const before = std::setlocale(LC_CTYPE, nullptr);
  const std::string saved = before == nullptr ? "C" : before;
  std::setlocale(LC_CTYPE, "");
  const bool is_utf8 = std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
  std::setlocale(LC_CTYPE, saved.c_str());
  return is_utf8;
}

winsize window() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    size.ws_col = 80;
    size.ws_row = 24;
  }
  return size;
}

// The other screen, without a cursor; and back.
constexpr std::string_view kTakeOver = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kGiveBack = "\x1b[?25h\x1b[?1049l";

}  // namespace

std::optional<ScreenStyle> terminal_style() {
  if (::isatty(STDOUT_FILENO) != 1) return std::nullopt;
  return ScreenStyle{.columns = window().ws_col,
                     .rows = 0,
                     .is_utf8 = is_utf8_locale(),
                     .has_colors = !has_variable("NO_COLOR") && !is_dumb()};
}

FullScreen::FullScreen() {
  struct sigaction action{};
  action.sa_handler = note_resize;
  ::sigaction(SIGWINCH, &action, nullptr);
  termios settings{};
  if (::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &settings) == 0) {
    before_ = settings;
    settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
  }
  (void)print(kTakeOver);
}

FullScreen::~FullScreen() {
  (void)print(kGiveBack);
  if (before_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
}

ScreenStyle FullScreen::style() const {
  ScreenStyle style = terminal_style().value_or(ScreenStyle{});
  style.rows = window().ws_row;
  return style;
}

// Each line is cleared behind its end, so that nothing flickers; the last one has no line end,
// since that would scroll.
Result<void> FullScreen::show(std::string_view text) {
  std::string frame = "\x1b[H";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    frame.append(text.substr(0, end)).append("\x1b[K");
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!text.empty()) frame += "\n";
  }
  return print(frame + "\x1b[J");
}

FullScreen::Event FullScreen::wait(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    if (is_interrupted()) return Event::kQuit;
    if (resized.exchange(false)) return Event::kResized;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Event::kTimeout;
    // A signal that comes just before poll() is looked at again after this long.
    constexpr std::chrono::milliseconds kLookAgain{250};
    pollfd keyboard{before_ ? STDIN_FILENO : -1, POLLIN, 0};
    if (::poll(&keyboard, 1, static_cast<int>(std::min(left, kLookAgain).count())) <= 0) continue;
    char key = 0;
    const ssize_t taken = ::read(STDIN_FILENO, &key, 1);
    if (taken == 0 || (taken == 1 && (key == 'q' || key == 'Q'))) return Event::kQuit;
  }
}

}  // namespace sluice::queue
