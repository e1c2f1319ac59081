// The lower-case hex SHA-256 of some bytes: what stands in for an id that Teleport did not give.
// Pure; any thread.
#ifndef SLUICE_FETCHER_TRANSCODE_SHA256_HEX_H_
#define SLUICE_FETCHER_TRANSCODE_SHA256_HEX_H_

#include <string>
#include <string_view>

namespace sluice::fetcher {

std::string sha256_hex(std::string_view bytes);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TRANSCODE_SHA256_HEX_H_
