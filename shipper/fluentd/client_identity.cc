#include "shipper/fluentd/client_identity.h"

#include <utility>

namespace sluice::shipper::fluentd {

ClientIdentity::ClientIdentity(TlsFiles files)
    : files_(std::move(files)),
      reading_("the client certificate cannot be read anew, the last one goes on being used") {}

Result<void> ClientIdentity::use(SSL_CTX* context) {
  if (files_.cert.empty()) return {};
  auto fresh = load_client_certificate(files_);
  if (fresh) {
    reading_.succeeded();
    last_ = std::move(*fresh);
  } else if (last_) {
    reading_.failed(fresh.error().message);
  } else {
    return fail(fresh.error());
  }
  return use_client_certificate(*last_, context);
}

}  // namespace sluice::shipper::fluentd
