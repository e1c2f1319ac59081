#include "queue/format_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>
#include <string>

#include "common/files.h"
#include "common/owned_fd.h"

namespace sluice::queue {
namespace {

constexpr std::size_t kFormatBytesMax = 4096;  // whatever it holds

std::filesystem::path format_path(const std::filesystem::path& directory) {
  return directory / "FORMAT";
}

Result<void> write_synced(const std::filesystem::path& path, std::string_view text) {
  const OwnedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!file.is_open()) return fail(errno_error("create", path.string()));
  SLUICE_TRY(write_all(file.get(), text, path));
  if (::fsync(file.get()) == 0) return {};
  return fail(errno_error("write", path.string()));
}

}  // namespace

Result<int> check_format(const std::filesystem::path& directory, std::string_view kind) {
  const std::filesystem::path path = format_path(directory);
  SLUICE_ASSIGN(const std::string text, read_file(path, kFormatBytesMax));
  std::istringstream file(text);
  std::string found_kind;
  int version = 0;
  if (!(file >> found_kind >> version) || found_kind != kind || version < kFormatVersionOldest) {
    return fail(
        ErrorKind::kCorrupt,
        fmt::format("{} does not say \"{} {}\": this is not a folder of that kind, or it is "
                    "damaged; nothing was changed",
                    path.string(), kind, kFormatVersion));
  }
  if (version > kFormatVersion) {
    return fail(ErrorKind::kFormat,
                fmt::format("{} has format version {}, and this program knows versions up to {}: "
                            "use the release that wrote it, or a newer one; nothing was changed",
                            directory.string(), version, kFormatVersion));
  }
  return version;
}

Result<void> check_format_for_writing(const std::filesystem::path& directory,
                                      std::string_view kind) {
  SLUICE_ASSIGN(const int version, check_format(directory, kind));
  if (version == kFormatVersion) return {};
  return fail(ErrorKind::kFormat,
              fmt::format("{} has format version {}, and this release writes version {}: stop both "
                          "daemons and run \"queuectl upgrade-format\"; nothing was changed",
                          directory.string(), version, kFormatVersion));
}

Result<void> write_format(const std::filesystem::path& directory, std::string_view kind) {
  const std::filesystem::path path = format_path(directory);
  std::filesystem::path temporary = path;
  temporary += ".new";
  SLUICE_TRY(write_synced(temporary, fmt::format("{} {}\n", kind, kFormatVersion)));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail(errno_error("rename to", path.string()));
  }
  return sync_directory(directory);
}

}  // namespace sluice::queue
