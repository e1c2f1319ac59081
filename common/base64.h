// Bytes as text in base64 (RFC 4648), padded and in one line. Pure.
#ifndef SLUICE_COMMON_BASE64_H_
#define SLUICE_COMMON_BASE64_H_

#include <string>
#include <string_view>

namespace sluice {

// Of at most 1 GiB (checked).
std::string base64(std::string_view bytes);

}  // namespace sluice

#endif  // SLUICE_COMMON_BASE64_H_
