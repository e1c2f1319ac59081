#include "fetcher/teleport/diagnosis.h"

#include <fmt/format.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <expected>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "common/time.h"

namespace sluice::fetcher {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr milliseconds kConnectMax{2000};
constexpr milliseconds kHandshakeMax{2000};
// With TLS 1.3 the server's refusal of our certificate comes only after the handshake.
constexpr milliseconds kVerdictMax{1000};
constexpr milliseconds kStopCheck{100};

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

struct Free {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

struct HostAndPort {
  std::string host;
  std::string port;
};

HostAndPort split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {address, "3025"};
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return {std::move(host), address.substr(colon + 1)};
}

// A name being resolved. getaddrinfo() cannot be interrupted, and with a resolver that does not
// answer it takes many seconds; so it has a thread of its own, which nobody waits for after a stop.
struct Resolution {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool done = false;
  int failed = 0;  // as getaddrinfo() returns it
  Owned<addrinfo> found;
};

void resolve(Resolver resolver, const HostAndPort& address, Resolution* resolution) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = resolver(address.host.c_str(), address.port.c_str(), &hints, &found);
  const std::lock_guard lock(resolution->mutex);
  resolution->failed = failed;
  if (failed == 0) resolution->found.reset(found);
  resolution->done = true;
  resolution->changed.notify_all();
}

// The addresses, or why there are none; nothing of either when asked to stop.
std::expected<Owned<addrinfo>, std::string> resolve_until_stopped(Resolver resolver,
                                                                  HostAndPort address,
                                                                  const std::stop_token& stop) {
  const auto shared = std::make_shared<Resolution>();
  try {
    std::thread([shared, resolver, address = std::move(address)] {
      resolve(resolver, address, shared.get());
    }).detach();
  } catch (const std::system_error& error) {
    return std::unexpected(fmt::format("no thread can be started for it: {}", error.what()));
  }
  std::unique_lock lock(shared->mutex);
  if (!shared->changed.wait(lock, stop, [&] { return shared->done; })) return nullptr;
  if (shared->failed != 0) return std::unexpected(std::string(::gai_strerror(shared->failed)));
  return std::move(shared->found);
}

// Waits for `events`; false when the time is over, or when asked to stop.
bool wait_for(int fd, short events, SteadyTime deadline, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min(left, kStopCheck).count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
  return false;
}

std::string errno_text(int code) { return std::generic_category().message(code); }

// A connected socket, or why there is none.
std::expected<std::unique_ptr<Socket>, std::string> connect_to(const addrinfo& target,
                                                               const std::stop_token& stop) {
  auto socket = std::make_unique<Socket>(
      ::socket(target.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket->fd() < 0) return std::unexpected(errno_text(errno));
  if (::connect(socket->fd(), target.ai_addr, target.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return std::unexpected(errno_text(errno));
  const auto deadline = std::chrono::steady_clock::now() + kConnectMax;
  if (!wait_for(socket->fd(), POLLOUT, deadline, stop)) {
    return std::unexpected(fmt::format("no answer within {} s", kConnectMax.count() / 1000));
  }
  int code = 0;
  socklen_t size = sizeof code;
  ::getsockopt(socket->fd(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) return std::unexpected(errno_text(code));
  return socket;
}

// TLS over a socket, through memory, so that a closed peer cannot raise SIGPIPE.
class TlsProbe {
 public:
  TlsProbe(const Identity& identity, int fd, std::stop_token stop)
      : fd_(fd), stop_(std::move(stop)), context_(make_context(identity)) {
    ssl_.reset(SSL_new(context_.get()));
    incoming_ = BIO_new(BIO_s_mem());
    outgoing_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(incoming_, -1);
    SSL_set_bio(ssl_.get(), incoming_, outgoing_);
    SSL_set_connect_state(ssl_.get());
    SSL_set_tlsext_host_name(ssl_.get(), kAuthServerName);
    SSL_set1_host(ssl_.get(), kAuthServerName);
    SSL_set_app_data(ssl_.get(), this);
    SSL_set_info_callback(ssl_.get(), &TlsProbe::on_info);
  }

  // What went wrong; empty if nothing did.
  std::string run() {
    std::string handshake = drive(kHandshakeMax, [this] { return SSL_do_handshake(ssl_.get()); });
    if (!handshake.empty()) return handshake;
    handshake_done_ = true;
    char byte = 0;
    return drive(kVerdictMax, [&] { return SSL_peek(ssl_.get(), &byte, 1); });
  }

  bool server_untrusted() const { return SSL_get_verify_result(ssl_.get()) != X509_V_OK; }
  std::string verify_text() const {
    return X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get()));
  }
  const std::string& alert() const { return alert_; }
  bool handshake_done() const { return handshake_done_; }

 private:
  static Owned<SSL_CTX> make_context(const Identity& identity) {
    Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    const Owned<BIO> cas(
        BIO_new_mem_buf(identity.ca_pem.data(), static_cast<int>(identity.ca_pem.size())));
    X509_STORE* store = SSL_CTX_get_cert_store(context.get());
    while (const Owned<X509> ca{PEM_read_bio_X509(cas.get(), nullptr, nullptr, nullptr)}) {
      X509_STORE_add_cert(store, ca.get());
    }
    const Owned<BIO> certificate_bio(BIO_new_mem_buf(
        identity.certificate_pem.data(), static_cast<int>(identity.certificate_pem.size())));
    const Owned<X509> certificate(
        PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
    const Owned<BIO> key_bio(
        BIO_new_mem_buf(identity.key_pem.data(), static_cast<int>(identity.key_pem.size())));
    const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_certificate(context.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), key.get());
    constexpr std::array<unsigned char, 3> kH2 = {2, 'h', '2'};
    SSL_CTX_set_alpn_protos(context.get(), kH2.data(), kH2.size());
    ERR_clear_error();
    return context;
  }

  static void on_info(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_ALERT) == 0 || (where & SSL_CB_READ) == 0) return;
    auto* self = static_cast<TlsProbe*>(SSL_get_app_data(ssl));
    if ((value & 0xFF) == SSL_AD_CLOSE_NOTIFY) return;
    self->alert_ = SSL_alert_desc_string_long(value);
  }

  bool flush(SteadyTime deadline) {
    std::array<char, 4096> bytes{};
    while (BIO_ctrl_pending(outgoing_) > 0) {
      const int count = BIO_read(outgoing_, bytes.data(), bytes.size());
      for (int sent = 0; sent < count;) {
        if (!wait_for(fd_, POLLOUT, deadline, stop_)) return false;
        const ssize_t n =
            ::send(fd_, bytes.data() + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
        if (n < 0) return false;
        sent += static_cast<int>(n);
      }
    }
    return true;
  }

  // Repeats `step` with what comes from the peer until it is through, fails, or the time is over.
  template <typename Step>
  std::string drive(milliseconds limit, Step step) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::array<char, 4096> bytes{};
    while (true) {
      ERR_clear_error();
      const int result = step();
      const int error = SSL_get_error(ssl_.get(), result);
      const bool sent = flush(deadline);
      if (result > 0) return "";
      if (error != SSL_ERROR_WANT_READ) return ssl_failure(error);
      if (!sent || !wait_for(fd_, POLLIN, deadline, stop_)) {
        // A server that is silent after the handshake has not refused us.
        return handshake_done_ ? "" : "no answer to the TLS handshake";
      }
      const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (count == 0) return "the server closed the connection";
      if (count < 0) return errno_text(errno);
      BIO_write(incoming_, bytes.data(), static_cast<int>(count));
    }
  }

  std::string ssl_failure(int error) const {
    if (error == SSL_ERROR_ZERO_RETURN) return "the server closed the connection";
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    return reason != nullptr ? reason : "TLS failed";
  }

  int fd_;
  std::stop_token stop_;
  Owned<SSL_CTX> context_;
  Owned<SSL> ssl_;
  BIO* incoming_ = nullptr;  // both owned by ssl_
  BIO* outgoing_ = nullptr;
  std::string alert_;
  bool handshake_done_ = false;
};

std::optional<Error> tls_finding(const std::string& address, const Identity& identity, int fd,
                                 const std::stop_token& stop) {
  TlsProbe probe(identity, fd, stop);
  const std::string failure = probe.run();
  if (failure.empty() || stop.stop_requested()) return std::nullopt;
  if (probe.server_untrusted()) {
    return Error{ErrorKind::kUnauthorized,
                 fmt::format("the certificate of the server at {} is not trusted by the CA in {} "
                             "({}): the identity is of another cluster, or this is not Teleport's "
                             "Auth service",
                             address, identity.name, probe.verify_text())};
  }
  if (!probe.alert().empty() || probe.handshake_done()) {
    const std::string said =
        probe.alert().empty() ? failure : fmt::format("it sent \"{}\"", probe.alert());
    return Error{ErrorKind::kUnauthorized,
                 fmt::format("Teleport at {} does not accept the identity {} ({}), which is valid "
                             "until {}: it may be of another cluster, or the cluster's CA was "
                             "rotated",
                             address, identity.name, said, format_rfc3339(identity.not_after))};
  }
  return Error{
      ErrorKind::kUnavailable,
      fmt::format("TLS with {} failed: {}; is this Teleport's Auth service?", address, failure)};
}

}  // namespace

std::optional<Error> diagnose_connection(const std::string& address, const Identity& identity,
                                         std::stop_token stop, Resolver resolver) {
  const auto targets =
      resolve_until_stopped(resolver != nullptr ? resolver : &::getaddrinfo, split(address), stop);
  if (stop.stop_requested()) return std::nullopt;
  if (!targets) {
    return Error{
        ErrorKind::kUnavailable,
        fmt::format("the Teleport address {} cannot be resolved: {}", address, targets.error())};
  }
  std::string reason = "it has no address";
  for (const addrinfo* target = targets->get(); target != nullptr; target = target->ai_next) {
    auto socket = connect_to(*target, stop);
    if (stop.stop_requested()) return std::nullopt;
    if (socket) return tls_finding(address, identity, (*socket)->fd(), stop);
    reason = socket.error();
  }
  return Error{ErrorKind::kUnavailable,
               fmt::format("cannot connect to Teleport at {}: {}", address, reason)};
}

}  // namespace sluice::fetcher
