// Our certificate for each new connection: its files as they are at that moment, or, while they
// cannot be used (a renewal that is half done), the last ones that could.
//
// So no moment of a renewal makes a connection fail, and none needs a restart. Internal header:
// OpenSSL's types. One thread.
#ifndef SLUICE_SHIPPER_FLUENTD_CLIENT_IDENTITY_H_
#define SLUICE_SHIPPER_FLUENTD_CLIENT_IDENTITY_H_

#include <openssl/ssl.h>

#include <optional>

#include "common/error.h"
#include "common/repeated_message.h"
#include "shipper/fluentd/client_certificate.h"
#include "shipper/fluentd/tls_files.h"

namespace sluice::shipper::fluentd {

class ClientIdentity {
 public:
  explicit ClientIdentity(TlsFiles files);

  const TlsFiles& files() const { return files_; }

  // For a context that is made for one connection. Does nothing where no certificate is configured.
  // Errors as load_client_certificate(), only while there never was a good one.
  Result<void> use(SSL_CTX* context);

 private:
  const TlsFiles files_;
  std::optional<ClientCertificate> last_;
  RepeatedMessage reading_;
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_CLIENT_IDENTITY_H_
