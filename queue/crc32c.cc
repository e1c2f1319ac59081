#include "queue/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace sluice::queue {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, bits reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1) != 0 ? (value >> 1) ^ kPolynomial : value >> 1;
    }
    table[i] = value;
  }
  return table;
}
constexpr auto kTable = make_table();

#if defined(__x86_64__)
// The instruction takes three cycles, and a new one can begin in each: so three parts of the bytes
// are taken at the same time, and what follows from the first two is moved over the rest.
constexpr std::size_t kPartBytes = 128;

// What becomes of each byte of a checksum when kPartBytes zero bytes follow.
using MoveTable = std::array<std::array<std::uint32_t, 256>, 4>;
constexpr MoveTable make_move_table() {
  MoveTable table{};
  for (std::uint32_t place = 0; place < 4; ++place) {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t value = byte << (8 * place);
      for (std::size_t i = 0; i < kPartBytes; ++i) value = kTable[value & 0xff] ^ (value >> 8);
      table[place][byte] = value;
    }
  }
  return table;
}
constexpr MoveTable kMove = make_move_table();

std::uint64_t move(std::uint64_t crc) {
  return kMove[0][crc & 0xff] ^ kMove[1][crc >> 8 & 0xff] ^ kMove[2][crc >> 16 & 0xff] ^
         kMove[3][crc >> 24 & 0xff];
}

std::uint64_t word_at(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_hardware(std::string_view bytes,
                                                                std::uint32_t previous) {
  std::uint64_t crc = ~previous;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 3 * kPartBytes; left -= 3 * kPartBytes, at += 3 * kPartBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kPartBytes; i += sizeof(std::uint64_t)) {
      crc = _mm_crc32_u64(crc, word_at(at + i));
      second = _mm_crc32_u64(second, word_at(at + kPartBytes + i));
      third = _mm_crc32_u64(third, word_at(at + 2 * kPartBytes + i));
    }
    crc = move(move(crc) ^ second) ^ third;
  }
  for (; left >= 8; left -= 8, at += 8) crc = _mm_crc32_u64(crc, word_at(at));
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; left > 0; --left, ++at) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
  return ~narrow;
}
#endif

}  // namespace

std::uint32_t internal::crc32c_portable(std::string_view bytes, std::uint32_t previous) {
  std::uint32_t crc = ~previous;
  for (const char c : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t previous) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return crc32c_hardware(bytes, previous);
#endif
  return internal::crc32c_portable(bytes, previous);
}

}  // namespace sluice::queue
