// One connection to a server as a stream of bytes: the name's addresses, tried in turn, TCP, and
// TLS if it is wanted.
//
// TLS is 1.2 or later, with the server's certificate and host name always verified and no session
// ever resumed. The files are read when TLS begins. Nothing here blocks: each call does
// what can be done at once. A failure has libcurl's code and OpenSSL's or the system's words, so
// that failure_sentence() says the same of it as over HTTP; after one the stream is only good to be
// destroyed.
//
// One thread. The process must ignore SIGPIPE.
#ifndef SLUICE_SHIPPER_FLUENTD_STREAM_H_
#define SLUICE_SHIPPER_FLUENTD_STREAM_H_

#include <openssl/types.h>

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/owned_fd.h"
#include "shipper/fluentd/client_identity.h"
#include "shipper/fluentd/event_fd.h"
#include "shipper/fluentd/host_lookup.h"

namespace sluice::shipper::fluentd {

struct StreamFailure {
  int code = 0;        // a CURLcode
  std::string detail;  // may be empty
  int os_error = 0;    // errno of a connection that was not made; 0: not known
};

class Stream {
 public:
  template <typename T>
  using Outcome = std::expected<T, StreamFailure>;

  // `identity` is ours, with what we trust, and must outlive this; nullptr: without TLS. `wake` is
  // signalled when the name has been looked up.
  Stream(const std::string& host, const std::string& port, ClientIdentity* identity,
         std::shared_ptr<EventFd> wake);
  // Says goodbye, if it is open and has not failed.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Goes on with connecting; true: it is open.
  Outcome<bool> connect(std::chrono::milliseconds now);
  // How far connecting has come, in the words of a timeout.
  const char* waits_for() const;

  // How many bytes; 0: none for now. The end of the stream is a failure (CURLE_GOT_NOTHING).
  Outcome<std::size_t> read(std::span<char> into);
  Outcome<std::size_t> write(std::string_view bytes);

  // What TLS shows of the server; nullptr: there is no TLS, or hands are not shaken yet.
  const SSL* tls() const { return state_ == State::kOpen ? ssl_.get() : nullptr; }

  // What poll(2) has to wait for; below 0: for nothing but `wake`.
  int fd() const { return socket_.get(); }
  short events() const { return events_; }
  // When connect() has to be called again although nothing happens; 0: never.
  std::chrono::milliseconds next_step_at() const { return next_step_at_; }

 private:
  enum class State { kLookup, kConnecting, kHandshake, kOpen, kFailed };
  struct Free {
    void operator()(SSL* ssl) const;
    void operator()(SSL_CTX* context) const;
  };

  Outcome<void> look_up();
  Outcome<void> try_next_address(std::chrono::milliseconds now);
  Outcome<void> finish_connecting(std::chrono::milliseconds now);
  Outcome<void> begin_tls();
  Outcome<void> use_files(SSL_CTX* context) const;
  Outcome<void> shake_hands();
  static void on_info(const SSL* ssl, int where, int value);
  std::unexpected<StreamFailure> failed(StreamFailure failure);
  // After a call of OpenSSL's that returned `result`: nothing if it can be made again later.
  std::optional<StreamFailure> tls_failure(int result);

  const std::string host_;
  ClientIdentity* const identity_;
  State state_ = State::kLookup;
  HostLookup lookup_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_address_ = 0;
  std::chrono::milliseconds next_step_at_{0};
  OwnedFd socket_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  bool was_alerted_ = false;
  short events_ = 0;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_STREAM_H_
