#include "shipper/fluentd/client_certificate.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "common/files.h"
#include "common/secret.h"
#include "common/secret_file.h"

namespace sluice::shipper::fluentd {
namespace {

constexpr std::size_t kPemBytesMax = 1U << 20;
constexpr std::size_t kPassphraseBytesMax = PEM_BUFSIZE;

Result<std::string> read(const std::filesystem::path& file, std::string_view what) {
  auto text = read_file(file, kPemBytesMax);
  if (text) return text;
  return fail(ErrorKind::kConfig, fmt::format("{}: the {} cannot be read; look at the path and "
                                              "at who may read it ({})",
                                              file.string(), what, text.error().message));
}

struct Question {
  const Secret* passphrase = nullptr;
  bool was_asked = false;
};

// Called for an encrypted key. Without a passphrase it answers that there is none, instead of
// asking a terminal.
int answer_passphrase(char* buffer, int size, int /*for_writing*/, void* user) {
  auto& question = *static_cast<Question*>(user);
  question.was_asked = true;
  if (question.passphrase == nullptr) return -1;
  const std::string_view text = question.passphrase->view();
  if (text.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, text.data(), text.size());
  return static_cast<int>(text.size());
}

std::string key_complaint(const TlsFiles& files, bool is_encrypted) {
  if (!is_encrypted) return "this is not a private key in PEM form";
  if (files.key_passphrase.empty()) {
    return "the key is encrypted; name the file with its passphrase in "
           "forward.fluentd.key-passphrase-file";
  }
  return fmt::format("the passphrase in {} does not open this key, or the key is damaged",
                     files.key_passphrase.string());
}

OpensslPtr<X509> next_certificate(BIO* bio) {
  OpensslPtr<X509> certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

}  // namespace

Result<OpensslPtr<EVP_PKEY>> load_private_key(const TlsFiles& files) {
  SLUICE_ASSIGN(const Secret pem,
                read_secret_file(files.key, "client certificate's key", kPemBytesMax));
  Secret passphrase;
  Question question;
  if (!files.key_passphrase.empty()) {
    SLUICE_ASSIGN(passphrase, read_secret_file(files.key_passphrase, "passphrase of the key",
                                               kPassphraseBytesMax));
    question.passphrase = &passphrase;
  }
  const auto bio = bio_reading(pem.view());
  OpensslPtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, &answer_passphrase, &question));
  ERR_clear_error();
  if (key == nullptr) {
    return fail(ErrorKind::kConfig, fmt::format("{}: {}", files.key.string(),
                                                key_complaint(files, question.was_asked)));
  }
  return key;
}

Result<ClientCertificate> load_client_certificate(const TlsFiles& files) {
  ClientCertificate ours;
  SLUICE_ASSIGN(const std::string text, read(files.cert, "client certificate"));
  const auto bio = bio_reading(text);
  ours.certificate = next_certificate(bio.get());
  if (ours.certificate == nullptr) {
    return fail(ErrorKind::kConfig,
                fmt::format("{}: this is not a certificate in PEM form", files.cert.string()));
  }
  while (auto issuer = next_certificate(bio.get())) ours.chain.push_back(std::move(issuer));
  SLUICE_ASSIGN(ours.key, load_private_key(files));
  const bool matches = X509_check_private_key(ours.certificate.get(), ours.key.get()) == 1;
  ERR_clear_error();
  if (!matches) {
    return fail(ErrorKind::kConfig, fmt::format("{}: the key does not belong to the certificate {}",
                                                files.key.string(), files.cert.string()));
  }
  return ours;
}

Result<void> use_client_certificate(const ClientCertificate& ours, SSL_CTX* context) {
  bool done = SSL_CTX_use_certificate(context, ours.certificate.get()) == 1 &&
              SSL_CTX_use_PrivateKey(context, ours.key.get()) == 1 &&
              SSL_CTX_clear_chain_certs(context) == 1;
  for (const auto& issuer : ours.chain) {
    done = done && SSL_CTX_add1_chain_cert(context, issuer.get()) == 1;
  }
  if (done) return {};
  std::array<char, 256> why{};
  ERR_error_string_n(ERR_get_error(), why.data(), why.size());
  ERR_clear_error();
  return fail(ErrorKind::kConfig,
              fmt::format("the client certificate cannot be used for TLS ({})", why.data()));
}

Result<CertificateTimes> times_of_certificate_in(const std::filesystem::path& file) {
  SLUICE_ASSIGN(const std::string text, read(file, "certificate"));
  const auto bio = bio_reading(text);
  const auto certificate = next_certificate(bio.get());
  if (certificate == nullptr) {
    return fail(ErrorKind::kConfig,
                fmt::format("{}: this is not a certificate in PEM form", file.string()));
  }
  return times_of(certificate.get());
}

Result<void> check_client_certificate(const TlsFiles& files, Timestamp now) {
  SLUICE_ASSIGN(const ClientCertificate ours, load_client_certificate(files));
  const CertificateTimes times = times_of(ours.certificate.get());
  if (times.not_after.seconds < now.seconds) {
    return fail(ErrorKind::kUnauthorized,
                fmt::format("{}: the client certificate expired at {}; Fluentd will refuse it, "
                            "have it renewed",
                            files.cert.string(), format_rfc3339(times.not_after)));
  }
  if (times.not_before.seconds > now.seconds) {
    return fail(ErrorKind::kUnauthorized,
                fmt::format("{}: the client certificate is not valid before {}; look at this "
                            "machine's clock",
                            files.cert.string(), format_rfc3339(times.not_before)));
  }
  return {};
}

}  // namespace sluice::shipper::fluentd
