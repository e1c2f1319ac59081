// Our own certificate towards the sink: read from its files, checked without a connection, so that
// a mistake is told at once and in plain words, and given to OpenSSL.
//
// The key may be encrypted (PKCS#1 with DEK-Info, or PKCS#8), with the passphrase in a file of its
// own. The texts of key and passphrase are wiped from memory once they were used; what OpenSSL
// keeps is the key itself. Nobody is ever asked at a terminal. Internal header: OpenSSL's types.
// Any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_CLIENT_CERTIFICATE_H_
#define SLUICE_SHIPPER_FLUENTD_CLIENT_CERTIFICATE_H_

#include <openssl/ssl.h>

#include <vector>

#include "common/error.h"
#include "common/openssl_ptr.h"
#include "common/time.h"
#include "shipper/fluentd/certificate_times.h"
#include "shipper/fluentd/tls_files.h"

namespace sluice::shipper::fluentd {

struct ClientCertificate {
  OpensslPtr<X509> certificate;
  std::vector<OpensslPtr<X509>> chain;  // what stands behind it in its file
  OpensslPtr<EVP_PKEY> key;
};

// kConfig: the key's file or that of its passphrase cannot be read, or is not what it must be.
Result<OpensslPtr<EVP_PKEY>> load_private_key(const TlsFiles& files);

// Both of them. kConfig: a file cannot be read or is not PEM, or they do not belong together.
Result<ClientCertificate> load_client_certificate(const TlsFiles& files);

// Puts it into `context`, which keeps what it needs.
Result<void> use_client_certificate(const ClientCertificate& ours, SSL_CTX* context);

// From when until when the certificate in a file is valid. kConfig: it cannot be read.
Result<CertificateTimes> times_of_certificate_in(const std::filesystem::path& file);

// kUnauthorized: the certificate has expired or is not yet valid at `now`. Otherwise as
// load_client_certificate().
Result<void> check_client_certificate(const TlsFiles& files, Timestamp now);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_CLIENT_CERTIFICATE_H_
