// One TLS connection to a server, over any transport that OpenSSL can use.
//
// Non-blocking throughout: read() and write() do what can be done now. One thread at a time. What
// goes wrong is kept as a cause (TlsFailure), from which the caller makes its sentence.
#ifndef SLUICE_FETCHER_TELEPORT_TLS_SESSION_H_
#define SLUICE_FETCHER_TELEPORT_TLS_SESSION_H_

#include <openssl/types.h>

#include <cstddef>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/openssl_ptr.h"
#include "fetcher/teleport/identity.h"
#include "fetcher/teleport/socket.h"

namespace sluice::fetcher {

struct TlsOptions {
  std::string server_name;             // or address: what the server's certificate must name
  std::vector<std::string> protocols;  // offered by ALPN, the preferred one first
  const Identity* identity = nullptr;  // our certificate, and the CAs to trust
  // Without an identity: the file with the CAs to trust, or none for the system's.
  std::filesystem::path ca_file;
};

enum class TlsTrouble {
  kUntrusted,  // the server's certificate
  kAlert,      // the server refused, and said why
  kClosed,     // the server hung up
  kSilent,     // no answer in time
  kOther,
};

struct TlsFailure {
  TlsTrouble trouble = TlsTrouble::kOther;
  std::string cause;
  int alert = -1;                // its number, with kAlert
  bool after_handshake = false;  // when a server tells what it thinks of our certificate (TLS 1.3)
};

class TlsSession {
 public:
  // `transport` is non-blocking and ends at `fd`. kConfig: the CA file cannot be read.
  static Result<std::unique_ptr<TlsSession>> create(const TlsOptions& options,
                                                    OpensslPtr<BIO> transport, int fd);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Nothing: the handshake is done, and the server's certificate is right.
  std::optional<TlsFailure> handshake(const Deadline& deadline);
  // Waits for the server's first bytes, which stay to be read. A server that refuses our
  // certificate does it in their place. Nothing: they are there, or the time is over.
  std::optional<TlsFailure> wait_for_data(const Deadline& deadline);

  // The protocol that ALPN has agreed on; empty: none.
  std::string protocol() const;

  // How many bytes; 0: would have to wait. At the end of the stream kClosed, with an empty cause if
  // the server ended it properly.
  std::expected<std::size_t, TlsFailure> read(std::span<char> into);
  std::expected<std::size_t, TlsFailure> write(std::span<const char> bytes);
  // Whether the last read() or write() waits for room to send, rather than for bytes.
  bool wants_to_send() const { return wants_to_send_; }
  // Tells the server that no more comes, as far as that goes at once.
  void shut_down();

  // The same from the other side: blocks, for exchanges before the bytes flow.
  std::optional<TlsFailure> write_all(std::span<const char> bytes, const Deadline& deadline);
  std::expected<std::size_t, TlsFailure> read_some(std::span<char> into, const Deadline& deadline);

  int fd() const { return fd_; }

 private:
  struct Free {
    void operator()(SSL* ssl) const;
    void operator()(SSL_CTX* context) const;
  };
  TlsSession(std::unique_ptr<SSL_CTX, Free> context, std::unique_ptr<SSL, Free> ssl, int fd);
  static void on_info(const SSL* ssl, int where, int value);
  // After a step that returned `result`: nothing if it can be tried again later.
  std::optional<TlsFailure> failure_of(int result);
  std::optional<TlsFailure> wait(const Deadline& deadline);

  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  const int fd_;
  bool wants_to_send_ = false;
  bool handshake_done_ = false;
  int alert_ = -1;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_TLS_SESSION_H_
