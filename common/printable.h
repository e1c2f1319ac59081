// Text of others as it may be put onto somebody's terminal. Pure.
#ifndef SLUICE_COMMON_PRINTABLE_H_
#define SLUICE_COMMON_PRINTABLE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// In one line, with "?" for each control character: those below U+0020, U+007F, and U+0080 to
// U+009F, which some terminals obey, too.
inline std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool is_c1 = byte == 0xC2 && next >= 0x80 && next < 0xA0;
    if (is_c1) ++i;
    safe.push_back(is_c1 || byte < 0x20 || byte == 0x7F ? '?' : text[i]);
  }
  return safe;
}

}  // namespace sluice

#endif  // SLUICE_COMMON_PRINTABLE_H_
