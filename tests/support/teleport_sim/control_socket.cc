#include "tests/support/teleport_sim/control_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::teleport_sim {
namespace {

constexpr int kPollMs = 100;

// False when nothing arrived within kPollMs.
bool wait_readable(int file) {
  pollfd waiting{file, POLLIN, 0};
  return ::poll(&waiting, 1, kPollMs) > 0;
}

bool send_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::send(file, text.data(), text.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

ControlSocket::~ControlSocket() {
  acceptor_ = {};
  clients_.clear();
  if (listener_ >= 0) {
    ::close(listener_);
    ::unlink(path_.c_str());
  }
}

Result<void> ControlSocket::open(const std::string& path, Handler handler) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorKind::kUsage, fmt::format("the control socket's path {} is longer than {}",
                                               path, sizeof(address.sun_path) - 1));
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  ::unlink(path.c_str());
  path_ = path;
  handler_ = std::move(handler);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 16) != 0) {
    return fail(errno_error("listen on", path));
  }
  acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_clients(stop); });
  return {};
}

void ControlSocket::accept_clients(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!wait_readable(listener_)) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    clients_.emplace_back(
        [this, client](const std::stop_token& client_stop) { serve(client_stop, client); });
  }
}

void ControlSocket::serve(const std::stop_token& stop, int client) const {
  std::string buffer;
  bool open = true;
  while (open && !stop.stop_requested()) {
    if (!wait_readable(client)) continue;
    std::array<char, 4096> part{};
    const ssize_t size = ::recv(client, part.data(), part.size(), 0);
    if (size <= 0) break;
    buffer.append(part.data(), static_cast<std::size_t>(size));
    std::size_t end = 0;
    while (open && (end = buffer.find('\n')) != std::string::npos) {
      const std::string line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      open = send_all(client, handler_(line) + "\n");
    }
  }
  ::close(client);
}

}  // namespace sluice::teleport_sim
