#include "shipper/configure/file_set.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/files.h"
#include "common/owned_fd.h"

namespace sluice::shipper::configure {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;

// A folder under a name of its own, removed with all that is in it unless it is released.
class UnfinishedFolder {
 public:
  static Result<UnfinishedFolder> make(const fs::path& beside) {
    std::string name = beside.native() + ".new-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return fail(errno_error("create", name));
    UnfinishedFolder folder(name);
    if (::chmod(name.c_str(), kFolderMode) != 0) return fail(errno_error("set the mode of", name));
    return folder;
  }
  UnfinishedFolder(UnfinishedFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  UnfinishedFolder& operator=(UnfinishedFolder&&) = delete;
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;
  ~UnfinishedFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }
  // Nothing is removed from then on.
  void release() { path_.clear(); }

 private:
  explicit UnfinishedFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

Result<void> write_file(const fs::path& path, std::string_view content) {
  const OwnedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode));
  if (!file.is_open()) return fail(errno_error("create", path.native()));
  if (::fchmod(file.get(), kFileMode) != 0) {
    return fail(errno_error("set the mode of", path.native()));
  }
  SLUICE_TRY(write_all(file.get(), content, path));
  if (::fsync(file.get()) == 0) return {};
  return fail(errno_error("sync", path.native()));
}

bool is_absent_or_empty(const fs::path& folder) {
  std::error_code ignored;
  return !fs::exists(folder, ignored) || fs::is_empty(folder, ignored);
}

// FOLDER.before-20261123T025841Z, and a number behind it if there is one already.
fs::path name_aside(const fs::path& folder, Timestamp now) {
  std::string time = format_rfc3339({.seconds = now.seconds, .nanos = 0});
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  fs::path aside = folder.native() + ".before-" + time;
  std::error_code ignored;
  for (int i = 2; fs::exists(aside, ignored); ++i) {
    aside = fmt::format("{}.before-{}-{}", folder.native(), time, i);
  }
  return aside;
}

Result<void> rename_to(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return fail(errno_error(fmt::format("rename {} to", from.native()), to.native()));
}

// Afterwards `fresh` is what was in `folder`.
Result<void> exchange(const fs::path& fresh, const fs::path& folder) {
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) == 0) {
    return {};
  }
  if (errno == EINVAL || errno == ENOSYS || errno == EBUSY || errno == EXDEV) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("{} cannot be replaced as a whole, which its file system does not "
                            "do; nothing was changed: move it away, and leave --force out",
                            folder.native()));
  }
  return fail(errno_error(fmt::format("exchange {} and", fresh.native()), folder.native()));
}

}  // namespace

Result<void> check_place(const fs::path& folder, bool replace) {
  std::error_code ignored;
  if (!fs::is_directory(folder.parent_path(), ignored)) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("{} is no folder; nothing was written: make it first, or name another",
                            folder.parent_path().native()));
  }
  if (!fs::exists(folder, ignored)) return {};
  if (!fs::is_directory(folder, ignored)) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("{} is there, and is no folder; nothing was written: name another",
                            folder.native()));
  }
  if (fs::equivalent(folder, fs::current_path(ignored), ignored)) {
    return fail(ErrorKind::kUsage,
                fmt::format("OUT is {}, the folder that you are in, which cannot be exchanged as a "
                            "whole: name a new one, such as {}",
                            folder.native(), (folder / "sluice").native()));
  }
  if (replace || is_absent_or_empty(folder)) return {};
  return fail(
      ErrorKind::kCannotCreate,
      fmt::format("{} is there, and not empty; nothing was written: name another folder, or "
                  "give --force, which moves it aside",
                  folder.native()));
}

Result<fs::path> place_files(const fs::path& folder, std::span<const NewFile> files, bool replace,
                             Timestamp now) {
  SLUICE_TRY(check_place(folder, replace));
  SLUICE_ASSIGN(UnfinishedFolder fresh, UnfinishedFolder::make(folder));
  for (const NewFile& file : files) {
    SLUICE_TRY(write_file(fresh.path() / file.name, file.content));
  }
  SLUICE_TRY(sync_directory(fresh.path()));
  if (!replace || is_absent_or_empty(folder)) {
    // If something has come there since, this fails.
    SLUICE_TRY(rename_to(fresh.path(), folder));
    fresh.release();
    SLUICE_TRY(sync_directory(folder.parent_path()));
    return fs::path();
  }
  SLUICE_TRY(exchange(fresh.path(), folder));
  const fs::path old = fresh.path();
  fresh.release();
  fs::path aside = name_aside(folder, now);
  SLUICE_TRY(rename_to(old, aside));
  SLUICE_TRY(sync_directory(folder.parent_path()));
  return aside;
}

}  // namespace sluice::shipper::configure
