// Files and folders of a system below a root folder: whether a user may read them, and putting them
// in their places whole, with owner and mode, by a rename.
#ifndef SLUICE_ADOPT_FILES_H_
#define SLUICE_ADOPT_FILES_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sluice::adopt {

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  // "sluice-fetcher:sluice", for people
};

// A user and a group of the system at `root`, from its etc/passwd and etc/group ("/": by whatever
// the system uses). kNotFound: there is none.
Result<Owner> find_owner(const std::filesystem::path& root, const std::string& user,
                         const std::string& group);

// Whether the mode bits let `owner` enter all folders above `path` and read it, and, of a folder,
// all that is in it; and no folder above is one that the units do not see (/home, /root,
// /run/user).
bool can_read(const std::filesystem::path& root, const std::filesystem::path& path,
              const Owner& owner);

// Whether the file is there with just this content, owner and mode.
bool is_file(const std::filesystem::path& path, std::string_view content, const Owner& owner,
             mode_t mode);
// Puts it there, synced and by one rename; what has that name is replaced.
Result<void> place_file(const std::filesystem::path& path, std::string_view content,
                        const Owner& owner, mode_t mode);

// Makes the folder if it is not there, and gives it owner and mode.
Result<void> place_folder(const std::filesystem::path& path, const Owner& owner, mode_t mode);

// Whether `copy` has the files of `original`, with their content and times.
Result<bool> is_copy(const std::filesystem::path& original, const std::filesystem::path& copy);
// Copies a folder of files and folders, with their times; links and all else are left out. Folders
// 0750, files 0640.
Result<void> copy_folder(const std::filesystem::path& original, const std::filesystem::path& copy,
                         const Owner& owner);

}  // namespace sluice::adopt

#endif  // SLUICE_ADOPT_FILES_H_
