// Makes a folder with all its files, or nothing.
//
// The files are made in a folder beside it that only the caller can enter, synced, and come under
// the folder's name by one rename. So at every moment, and after a kill or a power cut at any
// moment, there is what was there before or the whole new set; what a kill can leave is the folder
// FOLDER.new-XXXXXX. Owned by the caller, folders 0700 and files 0600, whatever the umask. The
// only change on disk is in the folder's parent; any thread.
#ifndef SLUICE_SHIPPER_CONFIGURE_FILE_SET_H_
#define SLUICE_SHIPPER_CONFIGURE_FILE_SET_H_

#include <filesystem>
#include <span>
#include <string>

#include "common/error.h"
#include "common/time.h"

namespace sluice::shipper::configure {

struct NewFile {
  std::string name;
  std::string content;
};

// Whether place_files() would find the way free. kCannotCreate: the folder has something in it (not
// asked with `replace`), is none, or its parent is none. kUsage: it is the folder that we are in,
// which cannot be exchanged under us. So that keys are not made for nothing.
Result<void> check_place(const std::filesystem::path& folder, bool replace);

// `folder` is absolute. With `replace` a folder that has something in it is moved aside, whole, to
// the path that is returned; that is empty when there was nothing.
Result<std::filesystem::path> place_files(const std::filesystem::path& folder,
                                          std::span<const NewFile> files, bool replace,
                                          Timestamp now);

}  // namespace sluice::shipper::configure

#endif  // SLUICE_SHIPPER_CONFIGURE_FILE_SET_H_
