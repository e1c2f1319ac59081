#include "shipper/fluentd/client_identity.h"
#include "common/message_kinds.h"

#include <utility>

namespace sluice::shipper::fluentd {

ClientIdentity::ClientIdentity(TlsFiles files)
    : files_(std::move(files)),
      reading_(message::kClientCertificateNotRead,
               "the client certificate cannot be read anew, the last one goes on being used") {}

Result<void> ClientIdentity::use(SSL_CTX* context) {
  if (files_.cert.empty()) return {};
  auto fresh = load_client_certificate(files_);
  const auto used =
      fresh ? use_client_certificate(*fresh, context) : Result<void>(fail(fresh.error()));
  if (used) {
    reading_.succeeded();
    last_ = std::move(*fresh);
    return {};
  }
  if (!last_) return used;
  reading_.failed(used.error().message);
  return use_client_certificate(*last_, context);
}

}  // namespace sluice::shipper::fluentd
