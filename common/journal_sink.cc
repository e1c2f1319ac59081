#include "common/journal_sink.h"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/log_lines.h"

namespace sluice {
namespace {

OwnedFd open_socket(std::chrono::milliseconds patience) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  timeval limit{};
  limit.tv_sec = patience.count() / 1'000;
  limit.tv_usec = patience.count() % 1'000 * 1'000;
  // Without the limit a journald that hangs would stop the daemon, so then there is no socket.
  if (fd.is_open() && ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
    return OwnedFd();
  }
  return fd;
}

// As much as `fd` takes without waiting; below 0: nothing.
ssize_t write_now(int fd, std::string_view text) {
  const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  pollfd ready{fd, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return -1;
  // A pipe that is ready takes so much at once.
  return ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
}

}  // namespace

JournalSink::JournalSink(JournalSinkOptions options)
    : options_(std::move(options)), socket_(open_socket(options_.patience)) {}

void JournalSink::write(const std::string& record) {
  if (!pass_on(record)) {
    ++lost_;
  } else if (lost_ > 0 && pass_on(options_.lost_record(lost_))) {
    lost_ = 0;
  }
}

bool JournalSink::pass_on(const std::string& record) {
  return send(record) || write_line(journal_fallback_line(record));
}

// Not connected, so that a journald that was started anew is found again.
bool JournalSink::send(std::string_view record) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!socket_.is_open() || options_.socket.empty() ||
      options_.socket.size() >= sizeof address.sun_path)
    return false;
  std::ranges::copy(options_.socket, static_cast<char*>(address.sun_path));
  const int flags = MSG_NOSIGNAL | (is_impatient_ ? MSG_DONTWAIT : 0);
  ssize_t sent = -1;
  do {
    sent = ::sendto(socket_.get(), record.data(), record.size(), flags,
                    reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (sent < 0 && errno == EINTR);
  is_impatient_ = sent < 0;
  return sent >= 0;
}

// A line of which a part is written is completed before the next one begins.
bool JournalSink::write_line(std::string_view line) {
  if (!write_begun()) return false;
  begun_ = line;
  const bool has_begun_none = !write_begun() && begun_.size() == line.size();
  if (has_begun_none) begun_.clear();
  return !has_begun_none;
}

bool JournalSink::write_begun() {
  while (!begun_.empty()) {
    const ssize_t written = write_now(options_.fallback_fd, begun_);
    if (written <= 0) return false;
    begun_.erase(0, static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace sluice
