#include "common/random.h"

#include <openssl/rand.h>

#include <array>
#include <bit>

#include "common/check.h"

namespace sluice {

void fill_random(std::span<std::uint8_t> bytes) {
  const int ok = RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  SLUICE_CHECK(ok == 1, "the system's random numbers are available");
}

std::uint64_t random_u64() {
  std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
  fill_random(bytes);
  return std::bit_cast<std::uint64_t>(bytes);
}

}  // namespace sluice
