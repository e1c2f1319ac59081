#include "queue/queuectl/screen_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/printable.h"

namespace sluice::queue {
namespace {

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The bytes of the first `columns` characters.
std::string_view first_columns(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  while (end < text.size() && (columns > 0 || continues_character(text[end]))) {
    if (!continues_character(text[end])) --columns;
    ++end;
  }
  while (end < text.size() && continues_character(text[end])) ++end;
  return text.substr(0, end);
}

// SGR parameters.
std::string_view code_of(Tone tone) {
  switch (tone) {
    case Tone::kPlain:
      break;
    case Tone::kStrong:
      return "1";
    case Tone::kFaint:
      return "2";
    case Tone::kGood:
      return "32";
    case Tone::kWarn:
      return "33";
    case Tone::kBad:
      return "1;31";
  }
  return "";
}

}  // namespace

std::size_t width_of(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, &continues_character));
}

std::string shown(std::string_view text, bool is_utf8) {
  std::string safe = printable(text);
  if (is_utf8) return safe;
  std::erase_if(safe, &continues_character);
  std::ranges::replace_if(safe, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  return safe;
}

ScreenLine& ScreenLine::add(std::string_view text, Tone tone) {
  width_ += width_of(text);
  spans_.push_back({std::string(text), tone});
  return *this;
}

ScreenLine& ScreenLine::pad_to(std::size_t column) {
  return width_ < column ? add(std::string(column - width_, ' ')) : *this;
}

std::string ScreenLine::text(const ScreenStyle& style) const {
  std::string out;
  std::size_t left = style.columns;
  const bool is_cut = width_ > style.columns && style.columns > 0;
  if (is_cut) --left;
  for (const Span& span : spans_) {
    const std::string safe = shown(span.text, style.is_utf8);
    const std::string_view kept = first_columns(safe, left);
    left -= width_of(kept);
    const std::string_view code = style.has_colors ? code_of(span.tone) : "";
    out += code.empty() || kept.empty() ? std::string(kept)
                                        : fmt::format("\x1b[{}m{}\x1b[0m", code, kept);
  }
  if (is_cut) return out + (style.is_utf8 ? "…\n" : ">\n");
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string bar(double share, std::size_t columns, bool is_utf8) {
  const double filled = std::clamp(share, 0.0, 1.0) * static_cast<double>(columns);
  std::string text;
  for (std::size_t i = 0; i < columns; ++i) {
    const bool is_filled = static_cast<double>(i) + 0.5 < filled;
    text += is_utf8 ? (is_filled ? "█" : "░") : (is_filled ? "#" : ".");
  }
  return text;
}

std::string sparkline(const std::vector<double>& values, std::size_t columns, bool is_utf8) {
  static constexpr std::array<const char*, 9> kBlocks = {" ", "▁", "▂", "▃", "▄",
                                                         "▅", "▆", "▇", "█"};
  static constexpr std::array<const char*, 9> kAscii = {" ", ".", ":", "-", "=",
                                                        "+", "*", "#", "@"};
  const auto& steps = is_utf8 ? kBlocks : kAscii;
  const std::size_t count = std::min(values.size(), columns);
  const auto begin = values.end() - static_cast<std::ptrdiff_t>(count);
  const double largest = count == 0 ? 0 : *std::max_element(begin, values.end());
  std::string text(columns - count, ' ');
  for (auto value = begin; value != values.end(); ++value) {
    // Whatever is more than nothing can be seen.
    const double height = largest > 0 ? std::ceil(*value / largest * 8) : 0;
    text += steps[static_cast<std::size_t>(std::clamp(height, 0.0, 8.0))];
  }
  return text;
}

}  // namespace sluice::queue
