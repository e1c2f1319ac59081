#include "adopt/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <system_error>

#include "common/file_access.h"
#include "common/files.h"
#include "common/owned_fd.h"

namespace sluice::adopt {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileBytesMax = 64U << 20;
constexpr mode_t kModeBits = 07777;
constexpr std::array<std::string_view, 3> kUnseen = {"/home/", "/root/", "/run/user/"};

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<FILE, CloseFile>;

std::optional<uid_t> find_user(const fs::path& root, const std::string& name) {
  if (root == "/") {
    const auto user = sluice::find_user(name);
    return user ? std::optional(user->uid) : std::nullopt;
  }
  const FilePtr file(std::fopen((root / "etc/passwd").c_str(), "re"));
  while (const passwd* user = file ? ::fgetpwent(file.get()) : nullptr) {
    if (user->pw_name == name) return user->pw_uid;
  }
  return std::nullopt;
}

std::optional<gid_t> find_group(const fs::path& root, const std::string& name) {
  if (root == "/") {
    const group* found = ::getgrnam(name.c_str());
    return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
  }
  const FilePtr file(std::fopen((root / "etc/group").c_str(), "re"));
  while (const group* found = file ? ::fgetgrent(file.get()) : nullptr) {
    if (found->gr_name == name) return found->gr_gid;
  }
  return std::nullopt;
}

// Of a file or folder: those who may read it, or enter it.
bool has_bit(const struct stat& status, const Owner& owner, mode_t bit) {
  if (owner.uid == 0) return true;
  if (status.st_uid == owner.uid) return (status.st_mode & (bit << 6U)) != 0;
  if (status.st_gid == owner.gid) return (status.st_mode & (bit << 3U)) != 0;
  return (status.st_mode & bit) != 0;
}

bool may_read_below(const fs::path& path, const Owner& owner) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !has_bit(status, owner, S_IROTH)) return false;
  if (!S_ISDIR(status.st_mode)) return true;
  if (!has_bit(status, owner, S_IXOTH)) return false;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (!may_read_below(it->path(), owner)) return false;
  }
  return !error;
}

// Files and folders below it, links and all else left out.
Result<std::map<fs::path, bool>> entries_of(const fs::path& folder) {
  std::map<fs::path, bool> entries;  // whether it is a folder, by relative path
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    const fs::file_type type = it->symlink_status().type();
    if (type != fs::file_type::directory && type != fs::file_type::regular) continue;
    entries.emplace(it->path().lexically_relative(folder), type == fs::file_type::directory);
  }
  if (error) {
    return fail(ErrorKind::kIo, fmt::format("read {}: {}", folder.native(), error.message()));
  }
  return entries;
}

Result<void> keep_time(const fs::path& original, const fs::path& copy) {
  struct stat status{};
  if (::stat(original.c_str(), &status) != 0) {
    return fail(errno_error("look at", original.native()));
  }
  const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
  if (::utimensat(AT_FDCWD, copy.c_str(), times.data(), 0) == 0) return {};
  return fail(errno_error("set the times of", copy.native()));
}

bool has_same_time(const fs::path& a, const fs::path& b) {
  struct stat one{};
  struct stat other{};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &other) == 0 &&
         one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

}  // namespace

Result<Owner> find_owner(const fs::path& root, const std::string& user, const std::string& group) {
  const auto uid = find_user(root, user);
  const auto gid = find_group(root, group);
  if (uid && gid) return Owner{.uid = *uid, .gid = *gid, .name = user + ":" + group};
  return fail(ErrorKind::kNotFound,
              fmt::format("there is no {} {}: the package makes it, or systemd-sysusers with "
                          "sluice's sysusers.d file",
                          uid ? "group" : "user", uid ? group : user));
}

bool can_read(const fs::path& root, const fs::path& path, const Owner& owner) {
  const std::string text = path.native() + "/";
  for (const std::string_view unseen : kUnseen) {
    if (text.starts_with(unseen)) return false;
  }
  fs::path folder = root;
  for (const fs::path& part : path.relative_path().parent_path()) {
    folder /= part;
    struct stat status{};
    if (::stat(folder.c_str(), &status) != 0 || !has_bit(status, owner, S_IXOTH)) return false;
  }
  return may_read_below(root / path.relative_path(), owner);
}

bool is_file(const fs::path& path, std::string_view content, const Owner& owner, mode_t mode) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (status.st_uid != owner.uid || status.st_gid != owner.gid) return false;
  if ((status.st_mode & kModeBits) != mode) return false;
  const auto has = read_file(path, kFileBytesMax);
  return has && *has == content;
}

Result<void> place_file(const fs::path& path, std::string_view content, const Owner& owner,
                        mode_t mode) {
  std::string fresh = path.native() + ".new-XXXXXX";
  const OwnedFd file(::mkostemp(fresh.data(), O_CLOEXEC));  // 0600
  if (!file.is_open()) return fail(errno_error("make", fresh));
  const auto placed = [&]() -> Result<void> {
    SLUICE_TRY(write_all(file.get(), content, fresh));
    if (::fchown(file.get(), owner.uid, owner.gid) != 0) return fail(errno_error("chown", fresh));
    if (::fchmod(file.get(), mode) != 0) return fail(errno_error("chmod", fresh));
    if (::fsync(file.get()) != 0) return fail(errno_error("sync", fresh));
    if (::rename(fresh.c_str(), path.c_str()) != 0) return fail(errno_error("make", path.native()));
    return sync_directory(path.parent_path());
  }();
  if (!placed) ::unlink(fresh.c_str());
  return placed;
}

Result<void> place_folder(const fs::path& path, const Owner& owner, mode_t mode) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(errno_error("make", path.native()));
  }
  if (::chown(path.c_str(), owner.uid, owner.gid) != 0) {
    return fail(errno_error("chown", path.native()));
  }
  if (::chmod(path.c_str(), mode) != 0) return fail(errno_error("chmod", path.native()));
  return {};
}

Result<bool> is_copy(const fs::path& original, const fs::path& copy) {
  std::error_code error;
  if (!fs::is_directory(copy, error)) return false;
  SLUICE_ASSIGN(const auto wanted, entries_of(original));
  SLUICE_ASSIGN(const auto found, entries_of(copy));
  if (wanted != found) return false;
  for (const auto& [path, is_folder] : wanted) {
    if (is_folder) continue;
    if (!has_same_time(original / path, copy / path)) return false;
    SLUICE_ASSIGN(const std::string one, read_file(original / path, kFileBytesMax));
    SLUICE_ASSIGN(const std::string other, read_file(copy / path, kFileBytesMax));
    if (one != other) return false;
  }
  return true;
}

// Beside its place first, so that there is never a half of it under the name.
Result<void> copy_folder(const fs::path& original, const fs::path& copy, const Owner& owner) {
  const fs::path fresh = copy.native() + ".new";
  std::error_code error;
  fs::remove_all(fresh, error);
  SLUICE_TRY(place_folder(fresh, owner, 0750));
  SLUICE_ASSIGN(const auto entries, entries_of(original));
  for (const auto& [path, is_folder] : entries) {
    if (is_folder) {
      SLUICE_TRY(place_folder(fresh / path, owner, 0750));
      continue;
    }
    SLUICE_ASSIGN(const std::string content, read_file(original / path, kFileBytesMax));
    SLUICE_TRY(place_file(fresh / path, content, owner, 0640));
  }
  // Children before their folders, whose times they change.
  for (auto it = entries.rbegin(); it != entries.rend(); ++it) {
    SLUICE_TRY(keep_time(original / it->first, fresh / it->first));
  }
  SLUICE_TRY(keep_time(original, fresh));
  fs::remove_all(copy, error);
  if (::rename(fresh.c_str(), copy.c_str()) != 0) return fail(errno_error("make", copy.native()));
  return sync_directory(copy.parent_path());
}

}  // namespace sluice::adopt
