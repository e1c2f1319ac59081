#include "shipper/fluentd/server_tls.h"

#include <openssl/ssl.h>

#include "common/openssl_ptr.h"

namespace sluice::shipper::fluentd {
namespace {

std::string in_words(const X509_NAME* name) {
  const OpensslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

ServerTls server_tls_of(const ssl_st* ssl) {
  ServerTls seen;
  seen.version = SSL_get_version(ssl);
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const X509* certificate = sk_X509_value(chain, i);
    const CertificateTimes times = times_of(certificate);
    if (i == 0) {
      seen.subject = in_words(X509_get_subject_name(certificate));
      seen.issuer = in_words(X509_get_issuer_name(certificate));
      seen.certificate = times;
    } else if (i == 1 || times.not_after.seconds < seen.authority.not_after.seconds) {
      seen.authority = times;
    }
  }
  return seen;
}

}  // namespace sluice::shipper::fluentd
