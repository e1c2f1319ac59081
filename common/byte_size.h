// Sizes in bytes as people write them: "512KiB", "16MiB", "2GiB", or a plain number of bytes.
//
// Pure functions, callable from any thread. Only powers of two have names here, so that a size
// means the same to everybody.
#ifndef SLUICE_COMMON_BYTE_SIZE_H_
#define SLUICE_COMMON_BYTE_SIZE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice {

// An error (kConfig) for another unit, a fraction, a sign or more than 2^63 - 1 bytes.
Result<std::uint64_t> parse_byte_size(std::string_view text);

// The shortest exact form: "512KiB", "1536KiB", "1000" (a plain number of bytes).
std::string format_byte_size(std::uint64_t bytes);

}  // namespace sluice

#endif  // SLUICE_COMMON_BYTE_SIZE_H_
