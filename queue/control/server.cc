#include "queue/control/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <list>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "queue/control/frame.h"
#include "queue/control/socket.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// After a failed accept(), for example because the process has no file descriptor left.
constexpr milliseconds kAcceptPause{200};

struct Client {
  OwnedFd fd;
  uid_t uid = 0;
  steady_clock::time_point deadline;
  std::string in;
  std::string out;  // what is left of an answer; nothing is read before it is gone
};

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

struct ControlServer::Impl {
  void run(const std::stop_token& stop);
  std::vector<pollfd> sockets() const;
  int wait_ms() const;
  void accept_client();
  // False: the connection is over.
  bool serve(Client* client, short events);
  bool read(Client* client);
  bool answer_all(Client* client);
  bool write(Client* client);

  ControlServerOptions options;
  Handle handle;
  OwnedFd listener;
  OwnedFd wake;
  std::list<Client> clients;
  std::optional<steady_clock::time_point> accept_again;  // not before
  std::jthread thread;
};

std::vector<pollfd> ControlServer::Impl::sockets() const {
  std::vector<pollfd> all;
  const bool may_accept = !accept_again || steady_clock::now() >= *accept_again;
  all.push_back({wake.get(), POLLIN, 0});
  all.push_back({may_accept ? listener.get() : -1, POLLIN, 0});
  for (const Client& client : clients) {
    const short events = client.out.empty() ? POLLIN : POLLOUT;
    all.push_back({client.fd.get(), events, 0});
  }
  return all;
}

int ControlServer::Impl::wait_ms() const {
  const auto now = steady_clock::now();
  std::optional<steady_clock::time_point> next;
  if (accept_again && *accept_again > now) next = accept_again;
  for (const Client& client : clients) {
    if (!next || client.deadline < *next) next = client.deadline;
  }
  if (!next) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - now);
  return static_cast<int>(std::max<milliseconds::rep>(0, left.count()));
}

void ControlServer::Impl::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    auto polled = sockets();
    if (::poll(polled.data(), polled.size(), wait_ms()) < 0) continue;
    const auto now = steady_clock::now();
    auto events = polled.begin() + 2;
    for (auto client = clients.begin(); client != clients.end(); ++events) {
      const bool stays =
          (events->revents == 0 || serve(&*client, events->revents)) && now < client->deadline;
      client = stays ? std::next(client) : clients.erase(client);
    }
    if ((polled[1].revents & POLLIN) != 0) accept_client();
  }
}

void ControlServer::Impl::accept_client() {
  accept_again.reset();
  OwnedFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.is_open()) {
    if (!would_block()) accept_again = steady_clock::now() + kAcceptPause;
    return;
  }
  const auto uid = peer_uid(fd.get());
  if (!uid) return;
  if (clients.size() >= options.clients_max) {
    clients.erase(std::ranges::min_element(clients, {}, &Client::deadline));
  }
  clients.push_back({std::move(fd), *uid, steady_clock::now() + options.patience, {}, {}});
}

bool ControlServer::Impl::serve(Client* client, short events) {
  if ((events & POLLIN) != 0 && !read(client)) return false;
  if ((events & (POLLIN | POLLOUT)) == 0) return false;
  return answer_all(client);
}

bool ControlServer::Impl::read(Client* client) {
  std::array<char, 65'536> block{};
  const ssize_t received = ::recv(client->fd.get(), block.data(), block.size(), 0);
  if (received < 0) return would_block();
  client->in.append(block.data(), static_cast<std::size_t>(received));
  return received > 0;
}

// Whatever requests are there as a whole, each after the answer before it is taken.
bool ControlServer::Impl::answer_all(Client* client) {
  for (;;) {
    if (!write(client)) return false;
    if (!client->out.empty()) return true;
    const auto request = take_frame(&client->in, kRequestBytesMax);
    if (!request) return false;
    if (!*request) return true;
    client->out = frame_of(handle(**request, client->uid));
    client->deadline = steady_clock::now() + options.patience;
  }
}

bool ControlServer::Impl::write(Client* client) {
  if (client->out.empty()) return true;
  const ssize_t sent =
      ::send(client->fd.get(), client->out.data(), client->out.size(), MSG_NOSIGNAL);
  if (sent < 0) return would_block();
  client->out.erase(0, static_cast<std::size_t>(sent));
  if (client->out.empty()) client->deadline = steady_clock::now() + options.patience;
  return true;
}

Result<std::unique_ptr<ControlServer>> ControlServer::start(const ControlServerOptions& options,
                                                            Handle handle) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->handle = std::move(handle);
  SLUICE_ASSIGN(impl->listener, listen_at(options.socket));
  impl->wake = OwnedFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl->wake.is_open()) {
    return fail(errno_error("make an event for the control socket", options.socket.string()));
  }
  Impl* const server = impl.get();
  server->thread = std::jthread([server](const std::stop_token& stop) { server->run(stop); });
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ControlServer::~ControlServer() {
  impl_->thread.request_stop();
  const std::uint64_t one = 1;
  // It cannot fail: the count is far from its limit.
  if (::write(impl_->wake.get(), &one, sizeof one) < 0) errno = 0;
  impl_->thread.join();
  ::unlink(impl_->options.socket.c_str());
}

}  // namespace sluice::queue
