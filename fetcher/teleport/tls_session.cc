#include "fetcher/teleport/tls_session.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/check.h"

namespace sluice::fetcher {
namespace {

constexpr long kReadAheadBytes = 64L << 10;

// The identity's parts were read and held against each other when it was loaded.
void use_identity(SSL_CTX* context, const Identity& identity) {
  const auto cas = bio_reading(identity.ca_pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  while (const OpensslPtr<X509> ca{PEM_read_bio_X509(cas.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_cert(store, ca.get());
  }
  const auto certificate_text = bio_reading(identity.certificate_pem);
  const OpensslPtr<X509> certificate(
      PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr));
  const auto key_text = bio_reading(identity.key_pem.view());
  const OpensslPtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  SSL_CTX_use_certificate(context, certificate.get());
  SSL_CTX_use_PrivateKey(context, key.get());
  ERR_clear_error();
}

Result<void> use_web_roots(SSL_CTX* context, const std::filesystem::path& ca_file) {
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  const bool loaded = SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) == 1;
  ERR_clear_error();
  if (loaded) return {};
  return fail(ErrorKind::kConfig,
              fmt::format("the CA file {} cannot be read, or has no certificate in PEM form",
                          ca_file.string()));
}

// A name goes into SNI, an address must not; and certificates have them in different places.
void expect_name(SSL* ssl, const std::string& name) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1) return;
  SSL_set_tlsext_host_name(ssl, name.c_str());
  SSL_set1_host(ssl, name.c_str());
}

// Each name behind its length, as ALPN has it.
std::string alpn_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& name : protocols) {
    SLUICE_CHECK(!name.empty() && name.size() <= 255, "an ALPN name has 1 to 255 bytes");
    list.push_back(static_cast<char>(name.size()));
    list += name;
  }
  return list;
}

// Reads go through a buffer, so that a call of the system brings many records. OpenSSL's own read
// ahead moves all that it holds for each record.
void give_transport(SSL* ssl, OpensslPtr<BIO> transport) {
  BIO* const buffer = BIO_new(BIO_f_buffer());
  BIO_set_read_buffer_size(buffer, kReadAheadBytes);
  BIO* const for_writing = transport.release();
  BIO_up_ref(for_writing);
  SSL_set0_rbio(ssl, BIO_push(buffer, for_writing));
  SSL_set0_wbio(ssl, for_writing);
}

}  // namespace

void TlsSession::Free::operator()(SSL* ssl) const { SSL_free(ssl); }
void TlsSession::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

TlsSession::TlsSession(std::unique_ptr<SSL_CTX, Free> context, std::unique_ptr<SSL, Free> ssl,
                       int fd)
    : context_(std::move(context)), ssl_(std::move(ssl)), fd_(fd) {}

TlsSession::~TlsSession() { ERR_clear_error(); }

Result<std::unique_ptr<TlsSession>> TlsSession::create(const TlsOptions& options,
                                                       OpensslPtr<BIO> transport, int fd) {
  std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (options.identity != nullptr) {
    use_identity(context.get(), *options.identity);
  } else {
    SLUICE_TRY(use_web_roots(context.get(), options.ca_file));
  }
  std::unique_ptr<SSL, Free> ssl(SSL_new(context.get()));
  give_transport(ssl.get(), std::move(transport));
  SSL_set_connect_state(ssl.get());
  expect_name(ssl.get(), options.server_name);
  const std::string protocols = alpn_list(options.protocols);
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                      static_cast<unsigned>(protocols.size()));
  std::unique_ptr<TlsSession> session(new TlsSession(std::move(context), std::move(ssl), fd));
  SSL_set_app_data(session->ssl_.get(), session.get());
  SSL_set_info_callback(session->ssl_.get(), &TlsSession::on_info);
  return session;
}

void TlsSession::on_info(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_ALERT) == 0 || (where & SSL_CB_READ) == 0) return;
  if ((value & 0xFF) == SSL_AD_CLOSE_NOTIFY) return;
  static_cast<TlsSession*>(SSL_get_app_data(ssl))->alert_ = value;
}

// Alert, then the certificate, then what the system says: the first of them names the cause.
std::optional<TlsFailure> TlsSession::failure_of(int result) {
  const int system_error = errno;
  const int error = SSL_get_error(ssl_.get(), result);
  wants_to_send_ = error == SSL_ERROR_WANT_WRITE;
  if (wants_to_send_ || error == SSL_ERROR_WANT_READ) return std::nullopt;
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  TlsFailure failure{.cause = reason != nullptr ? reason : "TLS failed",
                     .after_handshake = handshake_done_};
  const long verified = SSL_get_verify_result(ssl_.get());
  if (alert_ >= 0) {
    failure.trouble = TlsTrouble::kAlert;
    failure.alert = alert_ & 0xFF;
    failure.cause = SSL_alert_desc_string_long(alert_);
  } else if (verified != X509_V_OK) {
    failure.trouble = TlsTrouble::kUntrusted;
    failure.cause = X509_verify_cert_error_string(verified);
  } else if (error == SSL_ERROR_ZERO_RETURN) {
    failure.trouble = TlsTrouble::kClosed;
    failure.cause.clear();
  } else if (error == SSL_ERROR_SYSCALL ||
             ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    failure.trouble = TlsTrouble::kClosed;
    failure.cause = error == SSL_ERROR_SYSCALL && result < 0 && system_error != 0
                        ? std::generic_category().message(system_error)
                        : "the server closed the connection";
  }
  ERR_clear_error();
  return failure;
}

std::optional<TlsFailure> TlsSession::wait(const Deadline& deadline) {
  if (wait_for(fd_, wants_to_send_ ? POLLOUT : POLLIN, deadline)) return std::nullopt;
  return TlsFailure{.trouble = TlsTrouble::kSilent,
                    .cause = "no answer in time",
                    .after_handshake = handshake_done_};
}

std::optional<TlsFailure> TlsSession::handshake(const Deadline& deadline) {
  while (true) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) break;
    if (auto failure = failure_of(result)) return failure;
    if (auto silent = wait(deadline)) return silent;
  }
  handshake_done_ = true;
  return std::nullopt;
}

std::optional<TlsFailure> TlsSession::wait_for_data(const Deadline& deadline) {
  char byte = 0;
  while (true) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_peek(ssl_.get(), &byte, 1);
    if (result > 0) return std::nullopt;
    if (auto failure = failure_of(result)) return failure;
    if (wait(deadline)) return std::nullopt;
  }
}

std::string TlsSession::protocol() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

std::expected<std::size_t, TlsFailure> TlsSession::read(std::span<char> into) {
  ERR_clear_error();
  errno = 0;
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
  if (result == 1) return count;
  if (auto failure = failure_of(result)) return std::unexpected(std::move(*failure));
  return 0;
}

std::expected<std::size_t, TlsFailure> TlsSession::write(std::span<const char> bytes) {
  ERR_clear_error();
  errno = 0;
  std::size_t count = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
  if (result == 1) {
    wants_to_send_ = false;
    return count;
  }
  if (auto failure = failure_of(result)) return std::unexpected(std::move(*failure));
  return 0;
}

void TlsSession::shut_down() {
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::optional<TlsFailure> TlsSession::write_all(std::span<const char> bytes,
                                                const Deadline& deadline) {
  while (!bytes.empty()) {
    const auto written = write(bytes);
    if (!written) return written.error();
    bytes = bytes.subspan(*written);
    if (*written > 0) continue;
    if (auto silent = wait(deadline)) return silent;
  }
  return std::nullopt;
}

std::expected<std::size_t, TlsFailure> TlsSession::read_some(std::span<char> into,
                                                             const Deadline& deadline) {
  while (true) {
    auto count = read(into);
    if (!count || *count > 0) return count;
    if (auto silent = wait(deadline)) return std::unexpected(std::move(*silent));
  }
}

}  // namespace sluice::fetcher
