#include "shipper/fluentd/client_certificate.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

#include "common/openssl_ptr.h"

namespace sluice::shipper::fluentd {
namespace {

// Called for an encrypted key; answers that there is no passphrase, instead of asking a terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*for_writing*/, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

Result<OpensslPtr<BIO>> open_file(const std::filesystem::path& file, std::string_view what) {
  OpensslPtr<BIO> bio(BIO_new_file(file.c_str(), "r"));
  if (bio == nullptr) {
    ERR_clear_error();
    return fail(ErrorKind::kConfig, fmt::format("{}: the {} cannot be read; look at the path and "
                                                "at who may read it",
                                                file.string(), what));
  }
  return bio;
}

Result<OpensslPtr<X509>> read_certificate(const std::filesystem::path& file) {
  SLUICE_ASSIGN(const auto bio, open_file(file, "client certificate"));
  OpensslPtr<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    ERR_clear_error();
    return fail(ErrorKind::kConfig,
                fmt::format("{}: this is not a certificate in PEM form", file.string()));
  }
  return certificate;
}

Result<OpensslPtr<EVP_PKEY>> read_key(const std::filesystem::path& file) {
  SLUICE_ASSIGN(const auto bio, open_file(file, "client certificate's key"));
  bool was_asked = false;
  OpensslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, &was_asked));
  if (key == nullptr) {
    ERR_clear_error();
    return fail(ErrorKind::kConfig,
                fmt::format("{}: {}", file.string(),
                            was_asked ? "the key is encrypted; give one without a passphrase"
                                      : "this is not a private key in PEM form"));
  }
  return key;
}

std::string in_words(const ASN1_TIME* time) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(time, &utc) != 1) return "a time that cannot be read";
  return format_rfc3339({.seconds = timegm(&utc), .nanos = 0});
}

Result<void> check_validity(const X509* certificate, const std::filesystem::path& file,
                            Timestamp now) {
  auto seconds = static_cast<std::time_t>(now.seconds);
  if (X509_cmp_time(X509_get0_notAfter(certificate), &seconds) < 0) {
    return fail(ErrorKind::kUnauthorized,
                fmt::format("{}: the client certificate expired at {}; Fluentd will refuse it, "
                            "have it renewed",
                            file.string(), in_words(X509_get0_notAfter(certificate))));
  }
  if (X509_cmp_time(X509_get0_notBefore(certificate), &seconds) > 0) {
    return fail(ErrorKind::kUnauthorized,
                fmt::format("{}: the client certificate is not valid before {}; look at this "
                            "machine's clock",
                            file.string(), in_words(X509_get0_notBefore(certificate))));
  }
  return {};
}

}  // namespace

Result<void> check_client_certificate(const std::filesystem::path& cert,
                                      const std::filesystem::path& key, Timestamp now) {
  SLUICE_ASSIGN(const auto certificate, read_certificate(cert));
  SLUICE_ASSIGN(const auto private_key, read_key(key));
  if (X509_check_private_key(certificate.get(), private_key.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::kConfig, fmt::format("{}: the key does not belong to the certificate {}",
                                                key.string(), cert.string()));
  }
  return check_validity(certificate.get(), cert, now);
}

}  // namespace sluice::shipper::fluentd
