#include "tests/unit/shipper/tiny_forward_server.h"

#include <sys/socket.h>

#include <array>
#include <utility>

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
    : handler_(std::move(handler)),
      greeting_(std::move(greeting)),
      server_([this](int socket, std::size_t connection) { serve(socket, connection); }) {}

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
}

std::string TinyForwardServer::url(const std::string& path, const std::string& host) const {
  return "forward://" + server_.address(host) + path;
}

std::vector<TinyForwardServer::Message> TinyForwardServer::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

}  // namespace sluice::shipper::fluentd
