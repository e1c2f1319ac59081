#include "queue/instance.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string_view>

namespace sluice::queue {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  std::erase(line, '-');  // the kernel writes a boot id with dashes, systemd's %b without
  return line;
}

// Magic numbers of statfs(2) for file systems on which memory maps and locks are not shared between
// machines.
struct NetworkFileSystem {
  long magic;
  std::string_view name;
};
constexpr std::array kNetworkFileSystems = {
    NetworkFileSystem{0x6969, "NFS"},        NetworkFileSystem{0xff534d42, "CIFS"},
    NetworkFileSystem{0xfe534d42, "SMB"},    NetworkFileSystem{0x517b, "SMB"},
    NetworkFileSystem{0x01021997, "9P"},     NetworkFileSystem{0x00c36400, "Ceph"},
    NetworkFileSystem{0x0bd00bd0, "Lustre"}, NetworkFileSystem{0x5346414f, "AFS"},
};

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.machine_id = first_line("/etc/machine-id");
  if (machine.machine_id == "uninitialized") machine.machine_id.clear();
  if (const char* boot_id = std::getenv("SLUICE_BOOT_ID"); boot_id != nullptr) {
    machine.boot_id = boot_id;
  } else {
    machine.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  }
  return machine;
}

Result<void> check_local_file_system(const std::filesystem::path& directory) {
  struct statfs info{};
  if (::statfs(directory.c_str(), &info) != 0) {
    return fail(errno_error("look at the file system of", directory.string()));
  }
  const auto* found =
      std::find_if(kNetworkFileSystems.begin(), kNetworkFileSystems.end(),
                   [&](const auto& candidate) { return candidate.magic == info.f_type; });
  if (found != kNetworkFileSystems.end()) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("{} is on a network file system ({}), on which a queue cannot be kept "
                            "safely: use a local disk",
                            directory.string(), found->name));
  }
  return {};
}

Result<void> prepare_directory(const std::filesystem::path& directory, unsigned mode) {
  if (::mkdir(directory.c_str(), 0) != 0 && errno != EEXIST) {
    Error error = errno_error("make the directory", directory.string());
    if (error.kind == ErrorKind::kNotFound) {
      error.kind = ErrorKind::kCannotCreate;
      error.message +=
          fmt::format("; make {} first (or mount it, or correct [queue] path in the configuration)",
                      directory.parent_path().string());
    }
    return fail(std::move(error));
  }
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) {
    return fail(errno_error("look at", directory.string()));
  }
  if (!S_ISDIR(info.st_mode)) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("{} is not a directory: move it away", directory.string()));
  }
  // Without any permission, it was made just now, or by a process that was killed at this place.
  // mkdir() could not give the mode: it applies the umask and drops the setgid bit.
  if ((info.st_mode & 0777) == 0 && ::chmod(directory.c_str(), static_cast<mode_t>(mode)) != 0) {
    return fail(errno_error("set the mode of", directory.string()));
  }
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    Error error = errno_error("write to the directory", directory.string());
    error.message += ": give it to the user of this daemon, or mount it writable";
    return fail(std::move(error));
  }
  return check_local_file_system(directory);
}

}  // namespace sluice::queue
