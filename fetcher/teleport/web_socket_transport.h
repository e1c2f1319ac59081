// A TLS session that carries WebSocket frames, as the transport of another TLS session inside it.
//
// What the inner session writes is framed and sent as far as the outer one takes it; the rest waits
// here for flush(). Must outlive the BIO made from it. One thread at a time.
#ifndef SLUICE_FETCHER_TELEPORT_WEB_SOCKET_TRANSPORT_H_
#define SLUICE_FETCHER_TELEPORT_WEB_SOCKET_TRANSPORT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/openssl_ptr.h"
#include "fetcher/teleport/tls_session.h"
#include "fetcher/teleport/web_socket.h"

namespace sluice::fetcher {

class WebSocketTransport {
 public:
  // `outer` must outlive it; `first_bytes` came behind the answer to the upgrade.
  WebSocketTransport(TlsSession* outer, std::string_view first_bytes);
  WebSocketTransport(const WebSocketTransport&) = delete;
  WebSocketTransport& operator=(const WebSocketTransport&) = delete;

  // For TlsSession::create().
  OpensslPtr<BIO> new_bio();

  // Whether all that was written has been sent. False: call it again once the socket takes more.
  bool flush();

  // Why the stream ended; nothing if the server closed it properly, or it has not ended.
  const std::optional<std::string>& failure() const { return failure_; }

  // For the BIO: as read(2) and write(2) have it, with kAgain for what must wait.
  static constexpr int kAgain = -2;
  int read(char* into, std::size_t room);
  int write(const char* bytes, std::size_t count);

 private:
  bool take(std::string_view bytes);

  TlsSession& outer_;
  WebSocketDecoder decoder_;
  std::string received_;  // payload that nobody has read yet
  std::size_t read_to_ = 0;
  std::string to_send_;
  std::size_t sent_to_ = 0;
  bool ended_ = false;
  std::optional<std::string> failure_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_WEB_SOCKET_TRANSPORT_H_
