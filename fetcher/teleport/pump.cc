#include "fetcher/teleport/pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "common/owned_fd.h"
#include "fetcher/teleport/socket.h"

namespace sluice::fetcher {
namespace {

constexpr std::size_t kDownBytes = 64U << 10;  // from Teleport
constexpr std::size_t kUpBytes = 64U << 10;

// Bytes on their way in one direction.
class Buffer {
 public:
  explicit Buffer(std::size_t size) : bytes_(size) {}
  std::span<const char> content() const { return std::span(bytes_).subspan(begin_, end_ - begin_); }
  std::span<char> room() { return std::span(bytes_).subspan(end_); }
  bool empty() const { return begin_ == end_; }
  void added(std::size_t count) { end_ += count; }
  void removed(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }

 private:
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace

class Pump::Loop {
 public:
  Loop(SecureConnection connection, OwnedFd ours, OwnedFd theirs, OwnedFd wake)
      : connection_(std::move(connection)),
        ours_(std::move(ours)),
        theirs_(std::move(theirs)),
        wake_(std::move(wake)) {}
  ~Loop() {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  int take_local_end() { return theirs_.release(); }
  std::optional<std::string> error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  void run() {
    // What came with the handshake is there already, and no poll would tell of it.
    bool goes_on = move_down() && move_up();
    while (goes_on) goes_on = wait() && move_down() && move_up();
    connection_.tls->shut_down();
    if (connection_.web_socket) connection_.web_socket->flush();
    // gRPC sees the end only now, when the cause is known.
    ours_ = OwnedFd();
  }

  // False: told to end.
  bool wait() {
    std::array<pollfd, 3> entries = {{{.fd = connection_.tls->fd(), .events = 0, .revents = 0},
                                      {.fd = ours_.get(), .events = 0, .revents = 0},
                                      {.fd = wake_.get(), .events = POLLIN, .revents = 0}}};
    if (!down_.room().empty()) entries[0].events |= POLLIN;
    if (wants_to_send_) entries[0].events |= POLLOUT;
    if (up_.empty()) entries[1].events |= POLLIN;
    if (!down_.empty()) entries[1].events |= POLLOUT;
    // A side of which nothing is wanted must not wake us by having gone; its time comes.
    for (auto& entry : entries) {
      if (entry.events == 0) entry.fd = -1;
    }
    while (::poll(entries.data(), entries.size(), -1) < 0) {
      if (errno != EINTR) return false;
    }
    return entries[2].revents == 0;
  }

  // From Teleport to gRPC, as far as it goes now. False: the connection has ended.
  bool move_down() {
    while (true) {
      // As much as there is goes on in one piece, since each piece wakes gRPC.
      bool more = true;
      while (more && !down_.room().empty()) {
        const auto count = connection_.tls->read(down_.room());
        if (!count) return end_with(count.error());
        down_.added(*count);
        more = *count > 0;
      }
      if (down_.empty()) return true;
      const auto content = down_.content();
      const ssize_t sent = ::send(ours_.get(), content.data(), content.size(), MSG_NOSIGNAL);
      if (sent < 0 && !may_pass(errno)) return false;  // gRPC has let go of it
      if (sent > 0) down_.removed(static_cast<std::size_t>(sent));
      if (!more || !down_.empty()) return true;
    }
  }

  // From gRPC to Teleport.
  bool move_up() {
    wants_to_send_ = false;
    while (true) {
      if (up_.empty()) {
        const auto room = up_.room();
        const ssize_t count = ::recv(ours_.get(), room.data(), room.size(), 0);
        if (count == 0) return false;
        if (count < 0) {
          if (!may_pass(errno)) return false;
          break;
        }
        up_.added(static_cast<std::size_t>(count));
      }
      const auto sent = connection_.tls->write(up_.content());
      if (!sent) return end_with_last_word(sent.error());
      if (*sent == 0) {
        wants_to_send_ = connection_.tls->wants_to_send();
        break;
      }
      up_.removed(*sent);
    }
    if (connection_.web_socket && !connection_.web_socket->flush()) wants_to_send_ = true;
    return true;
  }

  // A write that fails often has its cause waiting to be read: an alert.
  bool end_with_last_word(const TlsFailure& failure) {
    std::array<char, 1024> ignored;
    for (auto count = connection_.tls->read(ignored);; count = connection_.tls->read(ignored)) {
      if (!count) return end_with(count.error().cause.empty() ? failure : count.error());
      if (*count == 0) return end_with(failure);
    }
  }

  bool end_with(const TlsFailure& failure) {
    // What had come before the end is still gRPC's.
    const auto content = down_.content();
    (void)!::send(ours_.get(), content.data(), content.size(), MSG_NOSIGNAL);
    const std::lock_guard lock(mutex_);
    if (failure.trouble == TlsTrouble::kAlert) {
      error_ = "the server ended the connection with \"" + failure.cause + "\"";
    } else {
      error_ = failure.cause.empty() ? "the server closed the connection" : failure.cause;
    }
    return false;
  }

  SecureConnection connection_;
  OwnedFd ours_;
  OwnedFd theirs_;
  OwnedFd wake_;
  Buffer down_{kDownBytes};
  Buffer up_{kUpBytes};
  bool wants_to_send_ = false;
  mutable std::mutex mutex_;
  std::optional<std::string> error_;
  std::thread thread_;
};

Result<std::unique_ptr<Pump>> Pump::start(SecureConnection connection) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(errno_error("make", "a local connection to Teleport"));
  }
  OwnedFd ours(ends[0]);
  OwnedFd theirs(ends[1]);
  OwnedFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.is_open()) return fail(errno_error("make", "an event counter"));
  auto loop = std::make_unique<Loop>(std::move(connection), std::move(ours), std::move(theirs),
                                     std::move(wake));
  try {
    loop->start();
  } catch (const std::system_error& error) {
    return fail(ErrorKind::kIo,
                std::string("no thread can be started for Teleport's connection: ") + error.what());
  }
  return std::unique_ptr<Pump>(new Pump(std::move(loop)));
}

Pump::Pump(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Pump::~Pump() = default;

int Pump::take_local_end() { return loop_->take_local_end(); }
std::optional<std::string> Pump::error() const { return loop_->error(); }

}  // namespace sluice::fetcher
