// Reading small files whole, writing, and what makes a change of a directory last.
//
// No state, callable from any thread. Errors name the path.
#ifndef SLUICE_COMMON_FILES_H_
#define SLUICE_COMMON_FILES_H_

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice {

// The whole content. An error if it is longer than `max_bytes` (kIo), a directory (kIo), absent
// (kNotFound) or not readable for us (kCannotCreate, as errno_error has it).
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes);

// Writes all of it to `fd`, which is `path`. What is on the disk is another question: fsync().
Result<void> write_all(int fd, std::string_view content, const std::filesystem::path& path);

// fsync() on a directory: what was created or renamed in it survives a power cut.
Result<void> sync_directory(const std::filesystem::path& directory);

// Whether read_file would get at the file, without reading it.
Result<void> check_readable(const std::filesystem::path& path);

}  // namespace sluice

#endif  // SLUICE_COMMON_FILES_H_
