#include "common/file_access.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace sluice {
namespace {

constexpr std::size_t kEntryBytesMax = 16U << 10;

template <typename Find>
std::optional<SystemUser> look_up(Find find) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kEntryBytesMax> buffer{};
  if (find(&entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return SystemUser{.name = entry.pw_name, .uid = entry.pw_uid, .gid = entry.pw_gid};
}

}  // namespace

std::string FileAccess::readers() const {
  if ((mode & S_IROTH) != 0) return "readable by everybody";
  const std::string owner = (mode & S_IRUSR) != 0 ? user_name(uid) : "";
  const std::string group = (mode & S_IRGRP) != 0 ? "the group " + group_name(gid) : "";
  if (owner.empty() && group.empty()) return "readable by root alone";
  return fmt::format("readable by {}{}{}", owner, owner.empty() || group.empty() ? "" : " and ",
                     group);
}

std::string FileAccess::in_words() const {
  return fmt::format("{:04o} {}:{}", mode, user_name(uid), group_name(gid));
}

Result<FileAccess> file_access(const std::filesystem::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return fail(errno_error("look at", path.string()));
  return FileAccess{.uid = info.st_uid,
                    .gid = info.st_gid,
                    .mode = info.st_mode & 07777,
                    .is_folder = S_ISDIR(info.st_mode)};
}

std::string user_name(uid_t uid) {
  const auto user = find_user(uid);
  return user ? user->name : fmt::format("{}", uid);
}

std::string group_name(gid_t gid) {
  group entry{};
  group* found = nullptr;
  std::array<char, kEntryBytesMax> buffer{};
  const int failed = ::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found);
  return failed == 0 && found != nullptr ? entry.gr_name : fmt::format("{}", gid);
}

std::optional<SystemUser> find_user(const std::string& name) {
  return look_up([&](auto... rest) { return ::getpwnam_r(name.c_str(), rest...); });
}

std::optional<SystemUser> find_user(uid_t uid) {
  return look_up([&](auto... rest) { return ::getpwuid_r(uid, rest...); });
}

Result<void> become_user(const SystemUser& user) {
  const bool done = ::initgroups(user.name.c_str(), user.gid) == 0 &&
                    ::setresgid(user.gid, user.gid, user.gid) == 0 &&
                    ::setresuid(user.uid, user.uid, user.uid) == 0;
  if (done) return {};
  return fail(errno_error("become the user", user.name));
}

}  // namespace sluice
