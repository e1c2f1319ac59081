#include "fetcher/teleport/transport_bio.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "fetcher/teleport/socket.h"

namespace sluice::fetcher {
namespace {

int fd_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int send_to_socket(BIO* bio, const char* bytes, int count) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(fd_of(bio), bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
  if (sent < 0 && may_pass(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int receive_from_socket(BIO* bio, char* into, int room) {
  BIO_clear_retry_flags(bio);
  const ssize_t received = ::recv(fd_of(bio), into, static_cast<std::size_t>(room), 0);
  if (received < 0 && may_pass(errno)) BIO_set_retry_read(bio);
  return static_cast<int>(received);
}

long control_socket(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace

OpensslPtr<BIO_METHOD> new_transport_kind(const char* name, const TransportCalls& calls) {
  OpensslPtr<BIO_METHOD> kind(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, name));
  BIO_meth_set_write(kind.get(), calls.write);
  BIO_meth_set_read(kind.get(), calls.read);
  BIO_meth_set_ctrl(kind.get(), calls.control);
  return kind;
}

OpensslPtr<BIO> new_transport(const BIO_METHOD* kind, void* data) {
  OpensslPtr<BIO> bio(BIO_new(kind));
  BIO_set_data(bio.get(), data);
  BIO_set_init(bio.get(), 1);
  return bio;
}

OpensslPtr<BIO> new_socket_transport(int fd) {
  static const auto kind = new_transport_kind(
      "socket without SIGPIPE",
      {.write = &send_to_socket, .read = &receive_from_socket, .control = &control_socket});
  return new_transport(kind.get(), reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
}

}  // namespace sluice::fetcher
