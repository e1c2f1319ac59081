// Lines of a terminal screen: text in tones, no wider than the screen, with nothing in it that a
// terminal would take for a command. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_SCREEN_TEXT_H_
#define SLUICE_QUEUE_QUEUECTL_SCREEN_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::queue {

// What a terminal shows.
struct ScreenStyle {
  std::size_t columns = 80;
  std::size_t rows = 0;  // 0: as many as there are
  bool is_utf8 = true;   // else ASCII alone
  bool has_colors = true;
};

enum class Tone { kPlain, kStrong, kFaint, kGood, kWarn, kBad };

// How many columns the text takes; each character one.
std::size_t width_of(std::string_view text);

// Control characters, and in ASCII all others, become '?'.
std::string shown(std::string_view text, bool is_utf8);

// One line, from left to right.
class ScreenLine {
 public:
  ScreenLine() = default;
  explicit ScreenLine(std::string_view text, Tone tone = Tone::kPlain) { add(text, tone); }

  ScreenLine& add(std::string_view text, Tone tone = Tone::kPlain);
  // Spaces up to that column.
  ScreenLine& pad_to(std::size_t column);
  std::size_t width() const { return width_; }

  // With its end; cut at the last column, which then says so.
  std::string text(const ScreenStyle& style) const;

 private:
  struct Span {
    std::string text;
    Tone tone;
  };
  std::vector<Span> spans_;
  std::size_t width_ = 0;
};

// `share` of `columns` filled; 0 to 1.
std::string bar(double share, std::size_t columns, bool is_utf8);

// The last values, the newest to the right, in `columns` columns; the tallest is the largest.
std::string sparkline(const std::vector<double>& values, std::size_t columns, bool is_utf8);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_SCREEN_TEXT_H_
