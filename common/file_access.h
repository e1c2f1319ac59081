// Whose a file is and who may read it, by its owner and mode alone; for people.
//
// No state, any thread.
#ifndef SLUICE_COMMON_FILE_ACCESS_H_
#define SLUICE_COMMON_FILE_ACCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "common/error.h"

namespace sluice {

struct FileAccess {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0;  // the permission bits, with the set-id and sticky ones
  bool is_folder = false;

  // "readable by sluice-fetcher", "readable by root and the group sluice", "readable by everybody".
  std::string readers() const;
  bool is_open_to_all() const { return (mode & 07) != 0; }
  // "2750 sluice-fetcher:sluice".
  std::string in_words() const;
};

// Follows links. kNotFound, or kCannotCreate where a folder above it cannot be entered.
Result<FileAccess> file_access(const std::filesystem::path& path);

// The name of a user or group, or its number where it has none.
std::string user_name(uid_t uid);
std::string group_name(gid_t gid);

// A user as the system's list has it.
struct SystemUser {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
std::optional<SystemUser> find_user(const std::string& name);
std::optional<SystemUser> find_user(uid_t uid);

// Makes the whole process, which must be root's, that user's for good, with all its groups.
Result<void> become_user(const SystemUser& user);

}  // namespace sluice

#endif  // SLUICE_COMMON_FILE_ACCESS_H_
