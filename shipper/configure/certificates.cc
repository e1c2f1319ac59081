#include "shipper/configure/certificates.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <array>
#include <string_view>

#include "common/openssl_ptr.h"
#include "common/random.h"

namespace sluice::shipper::configure {
namespace {

constexpr std::size_t kSerialBytes = 16;
constexpr long kVersion3 = 2;  // counted from 0

// A certificate that is made, with its key.
struct Issued {
  OpensslPtr<EVP_PKEY> key;
  OpensslPtr<X509> certificate;
};

struct Extension {
  int nid;
  std::string value;  // as openssl's configuration files have it
};

std::unexpected<Error> openssl_failed(std::string_view what) {
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  ERR_clear_error();
  return fail(ErrorKind::kInternal,
              fmt::format("cannot make {}: OpenSSL says {}", what, reason.data()));
}

Result<OpensslPtr<EVP_PKEY>> make_key(const CertificateOrder& order) {
  OpensslPtr<EVP_PKEY> key(order.key_type == KeyType::kRsa ? EVP_RSA_gen(order.rsa_bits)
                                                           : EVP_EC_gen("P-256"));
  if (key == nullptr) return openssl_failed("a key");
  return key;
}

// Random, positive, and as long each time.
bool set_serial(X509* certificate) {
  std::array<std::uint8_t, kSerialBytes> bytes{};
  fill_random(bytes);
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x7FU) | 0x40U);
  const OpensslPtr<BIGNUM> number(BN_bin2bn(bytes.data(), kSerialBytes, nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_part(X509_NAME* name, const char* part, const std::string& text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  return X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, bytes, static_cast<int>(text.size()),
                                    -1, 0) == 1;
}

bool set_subject(X509* certificate, const SubjectName& subject) {
  X509_NAME* name = X509_get_subject_name(certificate);
  return add_part(name, "O", subject.organization) &&
         add_part(name, "OU", "Teleport audit events") && add_part(name, "CN", subject.common_name);
}

bool set_validity(X509* certificate, const CertificateOrder& order) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), order.from.seconds) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), order.until.seconds) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, const Extension& extension) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const OpensslPtr<X509_EXTENSION> made(
      X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value.c_str()));
  return made != nullptr && X509_add_ext(certificate, made.get(), -1) == 1;
}

// Everything but the signature. `issuer` is nullptr for one that signs itself.
bool fill_in(X509* certificate, X509* issuer, EVP_PKEY* key, const SubjectName& subject,
             const CertificateOrder& order, const std::vector<Extension>& extensions) {
  X509* const signer = issuer == nullptr ? certificate : issuer;
  if (X509_set_version(certificate, kVersion3) != 1 || !set_serial(certificate) ||
      !set_subject(certificate, subject) || !set_validity(certificate, order) ||
      X509_set_issuer_name(certificate, X509_get_subject_name(signer)) != 1 ||
      X509_set_pubkey(certificate, key) != 1) {
    return false;
  }
  for (const Extension& extension : extensions) {
    if (!add_extension(certificate, signer, extension)) return false;
  }
  // The subject's before the authority's, which in an authority's own certificate repeats it.
  return add_extension(certificate, signer, {NID_subject_key_identifier, "hash"}) &&
         add_extension(certificate, signer, {NID_authority_key_identifier, "keyid:always"});
}

// Signed by `authority`, or by itself if there is none.
Result<Issued> issue(const Issued* authority, const SubjectName& subject,
                     const CertificateOrder& order, const std::vector<Extension>& extensions) {
  SLUICE_ASSIGN(auto key, make_key(order));
  OpensslPtr<X509> certificate(X509_new());
  X509* const issuer = authority == nullptr ? nullptr : authority->certificate.get();
  EVP_PKEY* const signing_key = authority == nullptr ? key.get() : authority->key.get();
  if (certificate == nullptr ||
      !fill_in(certificate.get(), issuer, key.get(), subject, order, extensions) ||
      X509_sign(certificate.get(), signing_key, EVP_sha256()) == 0) {
    return openssl_failed(fmt::format("the certificate of {}", subject.common_name));
  }
  return Issued{.key = std::move(key), .certificate = std::move(certificate)};
}

std::vector<Extension> authority_extensions() {
  return {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
          {NID_key_usage, "critical,keyCertSign,cRLSign"}};
}

std::vector<Extension> leaf_extensions(const CertificateOrder& order, const char* purpose) {
  // Key exchange by RSA encryption is in TLS 1.2 still.
  const bool is_rsa = order.key_type == KeyType::kRsa;
  return {{NID_basic_constraints, "critical,CA:FALSE"},
          {NID_key_usage,
           is_rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature"},
          {NID_ext_key_usage, purpose}};
}

std::string alternative_names(const CertificateOrder& order) {
  std::string names;
  const auto add = [&](std::string_view kind, const std::string& name) {
    names += fmt::format("{}{}:{}", names.empty() ? "" : ",", kind, name);
  };
  for (const std::string& name : order.dns_names) add("DNS", name);
  for (const std::string& ip : order.ips) add("IP", ip);
  return names;
}

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

// An empty passphrase: the key is not encrypted.
Result<CertifiedKey> to_pem(const Issued& issued, std::string_view passphrase) {
  const OpensslPtr<BIO> certificate(BIO_new(BIO_s_mem()));
  const OpensslPtr<BIO> key(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* const cipher = passphrase.empty() ? nullptr : EVP_aes_256_cbc();
  if (certificate == nullptr || key == nullptr ||
      PEM_write_bio_X509(certificate.get(), issued.certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key.get(), issued.key.get(), cipher, passphrase.data(),
                                    static_cast<int>(passphrase.size()), nullptr, nullptr) != 1) {
    return openssl_failed("PEM of a certificate and its key");
  }
  return CertifiedKey{.certificate = text_of(certificate.get()), .key = text_of(key.get())};
}

}  // namespace

Result<Certificates> make_certificates(const CertificateOrder& order) {
  SLUICE_ASSIGN(const Issued authority,
                issue(nullptr, order.authority, order, authority_extensions()));
  auto server_extensions = leaf_extensions(order, "serverAuth");
  server_extensions.push_back({NID_subject_alt_name, alternative_names(order)});
  SLUICE_ASSIGN(const Issued server, issue(&authority, order.server, order, server_extensions));
  SLUICE_ASSIGN(const Issued client,
                issue(&authority, order.client, order, leaf_extensions(order, "clientAuth")));
  Certificates made;
  SLUICE_ASSIGN(made.authority, to_pem(authority, {}));
  SLUICE_ASSIGN(made.server, to_pem(server, order.server_passphrase));
  SLUICE_ASSIGN(made.client, to_pem(client, {}));
  return made;
}

}  // namespace sluice::shipper::configure
