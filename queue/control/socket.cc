#include "queue/control/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace sluice::queue {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 16;

// The address of a socket, with what it needs to stay valid.
struct Address {
  sockaddr_un name{};
  OwnedFd folder;  // open while a path that is too long for an address is reached through it
};

Result<Address> address_of(const std::filesystem::path& path) {
  Address address;
  address.name.sun_family = AF_UNIX;
  std::string text = path.string();
  if (text.size() >= sizeof address.name.sun_path) {
    address.folder = OwnedFd(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!address.folder.is_open()) {
      return fail(errno_error("open the folder", path.parent_path().string()));
    }
    text = fmt::format("/proc/self/fd/{}/{}", address.folder.get(), path.filename().string());
  }
  if (text.size() >= sizeof address.name.sun_path) {
    return fail(ErrorKind::kCannotCreate,
                fmt::format("{} is too long a name for a socket", path.string()));
  }
  std::memcpy(address.name.sun_path, text.c_str(), text.size() + 1);
  return address;
}

const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.name);
}

}  // namespace

Result<OwnedFd> listen_at(const std::filesystem::path& path) {
  SLUICE_ASSIGN(const Address address, address_of(path));
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return fail(errno_error("make the control socket", path.string()));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail(errno_error("remove the old control socket", path.string()));
  }
  if (::bind(fd.get(), generic(address), sizeof address.name) != 0) {
    return fail(errno_error("make the control socket", path.string()));
  }
  // Nobody can connect before listen(), so nobody gets in with the mode that the umask has left.
  if (::chmod(path.c_str(), kSocketMode) != 0) {
    return fail(errno_error("set the mode of the control socket", path.string()));
  }
  if (::listen(fd.get(), kBacklog) != 0) {
    return fail(errno_error("listen at the control socket", path.string()));
  }
  return fd;
}

Result<OwnedFd> connect_to(const std::filesystem::path& path) {
  SLUICE_ASSIGN(const Address address, address_of(path));
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return fail(errno_error("make a socket for", path.string()));
  if (::connect(fd.get(), generic(address), sizeof address.name) == 0) return fd;
  if (errno != ENOENT && errno != ECONNREFUSED) {
    return fail(errno_error("connect to the shipper's control socket", path.string()));
  }
  return fail(ErrorKind::kNotFound, fmt::format("no shipper listens at {}", path.string()));
}

std::optional<uid_t> peer_uid(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

}  // namespace sluice::queue
