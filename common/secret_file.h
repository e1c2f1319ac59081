// Reads a secret that stands in a file of its own. Any thread.
#ifndef SLUICE_COMMON_SECRET_FILE_H_
#define SLUICE_COMMON_SECRET_FILE_H_

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "common/error.h"
#include "common/secret.h"

namespace sluice {

// Its text without the line ends behind it; `what` it is, for people: "shared key". kConfig: the
// file cannot be read, has more than `bytes_max`, or holds nothing. No message has the text in it.
Result<Secret> read_secret_file(const std::filesystem::path& file, std::string_view what,
                                std::size_t bytes_max);

}  // namespace sluice

#endif  // SLUICE_COMMON_SECRET_FILE_H_
