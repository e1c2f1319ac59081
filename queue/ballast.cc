#include "queue/ballast.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "common/owned_fd.h"
#include "queue/disk_limits.h"

namespace sluice::queue {
namespace {

// What opening an empty database writes, and some more.
constexpr std::uint64_t kRoomToOpen = 1U << 20;

std::uint64_t log_bytes(const std::filesystem::path& database) {
  std::uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::directory_iterator it(database, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (it->path().extension() != ".log") continue;
    std::error_code vanished;
    const std::uint64_t size = it->file_size(vanished);
    if (!vanished) bytes += size;
  }
  return bytes;
}

}  // namespace

Ballast::Ballast(std::filesystem::path path, std::uint64_t bytes)
    : path_(std::move(path)), bytes_(bytes) {}

bool Ballast::exists() const {
  struct stat info{};
  return ::lstat(path_.c_str(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) == bytes_;
}

void Ballast::make(std::uint64_t free_after) {
  if (exists()) return;
  release();  // one of another size
  const auto space = file_system_space(path_.parent_path());
  if (!space || space->free < bytes_ + free_after) return;
  const OwnedFd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file.is_open()) return;
  if (::posix_fallocate(file.get(), 0, static_cast<off_t>(bytes_)) != 0) release();
}

Result<void> require_room_to_open(const std::filesystem::path& database, Ballast* ballast) {
  const std::filesystem::path folder = database.parent_path();
  const std::uint64_t needed = log_bytes(database) + kRoomToOpen;
  SLUICE_ASSIGN(DiskSpace space, file_system_space(folder));
  if (space.free < needed && ballast->release()) {
    SLUICE_ASSIGN(space, file_system_space(folder));
  }
  if (space.free >= needed) return {};
  return fail(ErrorKind::kNoSpace,
              fmt::format("the file system of {} has {} free, and opening the database there needs "
                          "{}: make room on it",
                          folder.string(), describe_bytes(space.free), describe_bytes(needed)));
}

bool Ballast::release() { return ::unlink(path_.c_str()) == 0; }

}  // namespace sluice::queue
