// Text without the blanks around it. Pure.
#ifndef SLUICE_COMMON_TRIMMED_H_
#define SLUICE_COMMON_TRIMMED_H_

#include <cstddef>
#include <string_view>

namespace sluice {

// Blanks are spaces, tabs, and what is left of a line end where "\r\n" was split at "\n". The
// result is a part of `text`.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace sluice

#endif  // SLUICE_COMMON_TRIMMED_H_
