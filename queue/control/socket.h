// Unix sockets by which queuectl and the shipper talk. Internal to queue/control/.
#ifndef SLUICE_QUEUE_CONTROL_SOCKET_H_
#define SLUICE_QUEUE_CONTROL_SOCKET_H_

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "common/error.h"
#include "common/owned_fd.h"

namespace sluice::queue {

// A non-blocking socket that listens at `path`, which the owner and the group may connect to.
// Replaces a socket that is there; the caller has made sure that it is nobody's.
Result<OwnedFd> listen_at(const std::filesystem::path& path);

// kNotFound: there is no socket, or nobody listens.
Result<OwnedFd> connect_to(const std::filesystem::path& path);

// Whose process is at the other end; nothing if the kernel does not say.
std::optional<uid_t> peer_uid(int fd);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_CONTROL_SOCKET_H_
