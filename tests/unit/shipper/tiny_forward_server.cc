#include "tests/unit/shipper/tiny_forward_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "common/check.h"

namespace sluice::shipper::fluentd {

std::string TinyForwardServer::Message::entries() const {
  const auto& bin = part(1).via.bin;
  return {bin.ptr, bin.size};
}

std::string TinyForwardServer::Message::option(const std::string& name) const {
  const auto& options = part(2).via.map;
  for (std::uint32_t i = 0; i < options.size; ++i) {
    if (options.ptr[i].key.as<std::string>() != name) continue;
    const auto& value = options.ptr[i].val;
    return value.type == msgpack::type::STR ? value.as<std::string>()
                                            : std::to_string(value.as<std::uint64_t>());
  }
  return {};
}

std::string TinyForwardServer::Message::ack() const {
  msgpack::sbuffer packed;
  msgpack::packer<msgpack::sbuffer> packer(packed);
  packer.pack_map(1);
  packer.pack(std::string("ack"));
  packer.pack(option("chunk"));
  return {packed.data(), packed.size()};
}

TinyForwardServer::TinyForwardServer(Handler handler, std::string greeting)
    : handler_(std::move(handler)), greeting_(std::move(greeting)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  SLUICE_CHECK(::bind(listener_, generic, size) == 0, "the loopback must have a free port");
  SLUICE_CHECK(::listen(listener_, 64) == 0, "a bound socket must listen");
  SLUICE_CHECK(::getsockname(listener_, generic, &size) == 0, "a bound socket must have a name");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_connections(stop); });
}

TinyForwardServer::~TinyForwardServer() {
  acceptor_.request_stop();
  acceptor_.join();
  ::close(listener_);
  hang_up();
  connections_.clear();
  for (const int socket : sockets_) ::close(socket);
}

void TinyForwardServer::hang_up() {
  const std::lock_guard lock(mutex_);
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
}

void TinyForwardServer::accept_connections(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 20) != 1) continue;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const std::lock_guard lock(mutex_);
    const std::size_t connection = sockets_.size();
    accepted_at_.push_back(std::chrono::steady_clock::now());
    sockets_.push_back(socket);
    connections_.emplace_back([this, socket, connection] { serve(socket, connection); });
  }
}

void TinyForwardServer::serve(int socket, std::size_t connection) {
  ::send(socket, greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
  msgpack::unpacker unpacker;
  while (true) {
    auto object = std::make_shared<msgpack::object_handle>();
    while (!unpacker.next(*object)) {
      unpacker.reserve_buffer(16'384);
      const auto got = ::recv(socket, unpacker.buffer(), unpacker.buffer_capacity(), 0);
      if (got <= 0) return;
      unpacker.buffer_consumed(static_cast<std::size_t>(got));
    }
    const Message message{.connection = connection, .object = object};
    {
      const std::lock_guard lock(mutex_);
      messages_.push_back(message);
    }
    const std::string answer = handler_(message);
    if (answer.empty() || ::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    if (closes_behind_answer) break;
  }
  ::shutdown(socket, SHUT_RDWR);
}

std::string TinyForwardServer::url(const std::string& path, const std::string& host) const {
  return "forward://" + host + ":" + std::to_string(port_) + path;
}

std::vector<TinyForwardServer::Message> TinyForwardServer::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::vector<std::chrono::steady_clock::time_point> TinyForwardServer::accepted_at() const {
  const std::lock_guard lock(mutex_);
  return accepted_at_;
}

}  // namespace sluice::shipper::fluentd
