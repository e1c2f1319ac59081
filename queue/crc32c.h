// CRC-32C (Castagnoli), as iSCSI, ext4 and RocksDB use it: the checksum of queue records and
// control pages.
//
// Uses the processor's instruction where there is one, a table elsewhere; both give the same value.
// Debian 12 has no library for it. Pure; any thread.
#ifndef SLUICE_QUEUE_CRC32C_H_
#define SLUICE_QUEUE_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace sluice::queue {

// The CRC of `previous`'s bytes followed by `bytes`; start with previous = 0.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t previous = 0);

namespace internal {
// The table's way alone, so that a test can hold the two against each other.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t previous);
}  // namespace internal

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CRC32C_H_
