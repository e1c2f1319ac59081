#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sluice::fuzz {

void finding(std::string_view sentence) {
  std::fprintf(stderr, "FINDING: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
  std::abort();
}

std::string vary_bytes(std::string_view input, Random* random) {
  static constexpr unsigned char kTelling[] = {0x00, 0x01, 0x20, 0x7F, 0x80, 0xC0, 0xFE, 0xFF};
  std::string bytes(input);
  for (std::size_t changes = 1 + random->below(4); changes > 0; --changes) {
    const std::size_t at = random->below(bytes.size() + 1);
    const std::size_t count = std::min(bytes.size() - at, 1 + random->below(8));
    const auto byte =
        static_cast<char>(random->one_in(2) ? random->pick(kTelling) : random->any() & 0xFF);
    switch (random->below(4)) {
      case 0:
        if (at < bytes.size()) bytes[at] = byte;
        break;
      case 1:
        bytes.insert(at, 1, byte);
        break;
      case 2:
        bytes.erase(at, count);
        break;
      default:
        bytes.insert(at, bytes.substr(at, count));
    }
  }
  return bytes;
}

std::string vary_with_pieces(std::string_view input, std::span<const std::string_view> pieces,
                             Random* random) {
  if (random->one_in(2)) return vary_bytes(input, random);
  std::string text(input);
  for (std::size_t i = 1 + random->below(3); i > 0; --i) {
    text.insert(random->below(text.size() + 1), random->pick(pieces));
  }
  return text;
}

}  // namespace sluice::fuzz
