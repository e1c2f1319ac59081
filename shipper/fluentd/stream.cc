#include "shipper/fluentd/stream.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;

// One address that swallows everything must not use up the time of the others.
constexpr milliseconds kAddressMax{3000};

std::string errno_text(int code) { return std::generic_category().message(code); }

StreamFailure not_connected(int code) {
  return {.code = CURLE_COULDNT_CONNECT, .detail = errno_text(code), .os_error = code};
}

// OpenSSL's first words for what went wrong.
std::string openssl_text() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason == nullptr ? "TLS failed" : reason;
}

// A name goes into SNI, an address must not; and certificates have them in different places.
void expect_name(SSL* ssl, const std::string& name) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1) return;
  SSL_set_tlsext_host_name(ssl, name.c_str());
  SSL_set1_host(ssl, name.c_str());
}

bool is_name_mismatch(long verified) {
  return verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

}  // namespace

void Stream::Free::operator()(SSL* ssl) const { SSL_free(ssl); }
void Stream::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

Stream::Stream(const std::string& host, const std::string& port, ClientIdentity* identity,
               std::shared_ptr<EventFd> wake)
    : host_(host), identity_(identity), lookup_(host, port, std::move(wake)) {}

Stream::~Stream() {
  if (ssl_ != nullptr && state_ == State::kOpen) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::unexpected<StreamFailure> Stream::failed(StreamFailure failure) {
  state_ = State::kFailed;
  events_ = 0;
  return std::unexpected(std::move(failure));
}

Stream::Outcome<bool> Stream::connect(milliseconds now) {
  Outcome<void> done;
  if (state_ == State::kLookup) done = look_up();
  if (done && state_ == State::kConnecting) {
    done = socket_.is_open() ? finish_connecting(now) : try_next_address(now);
  }
  if (done && state_ == State::kHandshake) done = shake_hands();
  if (!done) return failed(std::move(done.error()));
  return state_ == State::kOpen;
}

const char* Stream::waits_for() const {
  switch (state_) {
    case State::kLookup:
      return "Resolving timed out";
    case State::kConnecting:
    case State::kHandshake:
      return "Connection timed out";
    case State::kOpen:
    case State::kFailed:
      break;
  }
  return "";
}

Stream::Outcome<void> Stream::look_up() {
  auto outcome = lookup_.take();
  if (!outcome) return {};
  if (!*outcome) {
    return std::unexpected(StreamFailure{
        .code = CURLE_COULDNT_RESOLVE_HOST, .detail = outcome->error(), .os_error = 0});
  }
  addresses_ = std::move(**outcome);
  state_ = State::kConnecting;
  return {};
}

// Until one is under way, or none is left.
Stream::Outcome<void> Stream::try_next_address(milliseconds now) {
  int last_error = 0;
  while (next_address_ < addresses_.size()) {
    const SocketAddress& address = addresses_[next_address_++];
    socket_ =
        OwnedFd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_.is_open()) {
      last_error = errno;
      continue;
    }
    const int on = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
    if (::connect(socket_.get(), generic, address.size) == 0 || errno == EINPROGRESS) {
      events_ = POLLOUT;
      next_step_at_ = next_address_ < addresses_.size() ? now + kAddressMax : milliseconds{0};
      return {};
    }
    last_error = errno;
    socket_ = OwnedFd();
  }
  return std::unexpected(not_connected(last_error));
}

Stream::Outcome<void> Stream::finish_connecting(milliseconds now) {
  pollfd entry{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
  int code = 0;
  if (::poll(&entry, 1, 0) <= 0) {
    if (next_step_at_.count() == 0 || now < next_step_at_) return {};
    code = ETIMEDOUT;
  } else {
    socklen_t size = sizeof code;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &code, &size);
  }
  if (code == 0) {
    next_step_at_ = milliseconds{0};
    return begin_tls();
  }
  socket_ = OwnedFd();
  if (next_address_ == addresses_.size()) return std::unexpected(not_connected(code));
  return try_next_address(now);
}

Stream::Outcome<void> Stream::begin_tls() {
  if (identity_ == nullptr) {
    state_ = State::kOpen;
    events_ = POLLIN;
    return {};
  }
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  // Fluentd ends a resumed session with an alert.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (auto used = use_files(context); !used) return used;
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), socket_.get());
  SSL_set_connect_state(ssl_.get());
  expect_name(ssl_.get(), host_);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_info_callback(ssl_.get(), &Stream::on_info);
  state_ = State::kHandshake;
  return {};
}

Stream::Outcome<void> Stream::use_files(SSL_CTX* context) const {
  ERR_clear_error();
  const std::filesystem::path& ca = identity_->files().ca;
  if (ca.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, ca.c_str(), nullptr) != 1) {
    return std::unexpected(
        StreamFailure{.code = CURLE_SSL_CACERT_BADFILE, .detail = openssl_text(), .os_error = 0});
  }
  const auto used = identity_->use(context);
  if (used) return {};
  return std::unexpected(
      StreamFailure{.code = CURLE_SSL_CERTPROBLEM, .detail = used.error().message, .os_error = 0});
}

Stream::Outcome<void> Stream::shake_hands() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::kOpen;
    events_ = POLLIN;
    return {};
  }
  if (auto failure = tls_failure(result)) return std::unexpected(std::move(*failure));
  return {};
}

void Stream::on_info(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_ALERT) == 0 || (where & SSL_CB_READ) == 0) return;
  if ((value & 0xFF) == SSL_AD_CLOSE_NOTIFY) return;
  static_cast<Stream*>(SSL_get_app_data(ssl))->was_alerted_ = true;
}

// Alert, then the certificate, then what the system says: the first of them names the cause.
std::optional<StreamFailure> Stream::tls_failure(int result) {
  const int system_error = errno;
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    events_ = error == SSL_ERROR_WANT_WRITE ? POLLOUT | POLLIN : POLLIN;
    return std::nullopt;
  }
  const bool in_handshake = state_ == State::kHandshake;
  const long verified = SSL_get_verify_result(ssl_.get());
  StreamFailure failure{.code = in_handshake ? CURLE_SSL_CONNECT_ERROR : CURLE_RECV_ERROR,
                        .detail = {},
                        .os_error = 0};
  const bool has_ended = error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SYSCALL ||
                         ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (was_alerted_) {
    failure.detail = openssl_text();
  } else if (in_handshake && verified != X509_V_OK) {
    failure.code = CURLE_PEER_FAILED_VERIFICATION;
    failure.detail = fmt::format("{}{}", is_name_mismatch(verified) ? "subject name: " : "",
                                 X509_verify_cert_error_string(verified));
    ERR_clear_error();
  } else if (has_ended) {
    if (!in_handshake) failure.code = CURLE_GOT_NOTHING;
    failure.detail = error == SSL_ERROR_SYSCALL && system_error != 0 ? errno_text(system_error)
                                                                     : "the connection was closed";
    ERR_clear_error();
  } else {
    failure.detail = openssl_text();
  }
  return failure;
}

Stream::Outcome<std::size_t> Stream::read(std::span<char> into) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    if (result == 1) return count;
    if (auto failure = tls_failure(result)) return failed(std::move(*failure));
    return 0;
  }
  const auto got = ::recv(socket_.get(), into.data(), into.size(), 0);
  if (got > 0) return static_cast<std::size_t>(got);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  return failed({.code = CURLE_GOT_NOTHING,
                 .detail = got == 0 ? "the connection was closed" : errno_text(errno),
                 .os_error = 0});
}

Stream::Outcome<std::size_t> Stream::write(std::string_view bytes) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    std::size_t count = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    events_ = POLLIN;
    if (result == 1) return count;
    if (auto failure = tls_failure(result)) return failed(std::move(*failure));
    return 0;
  }
  const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  events_ = POLLIN;
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) {
    events_ = POLLIN | POLLOUT;
    return 0;
  }
  return failed({.code = CURLE_SEND_ERROR, .detail = errno_text(errno), .os_error = 0});
}

}  // namespace sluice::shipper::fluentd
