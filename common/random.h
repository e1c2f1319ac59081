// Random bytes that nobody can guess, from the system.
//
// Any thread. A process without them aborts (SLUICE_CHECK): what is to be unique must not be made
// of anything else.
#ifndef SLUICE_COMMON_RANDOM_H_
#define SLUICE_COMMON_RANDOM_H_

#include <cstdint>
#include <span>

namespace sluice {

void fill_random(std::span<std::uint8_t> bytes);

std::uint64_t random_u64();

}  // namespace sluice

#endif  // SLUICE_COMMON_RANDOM_H_
