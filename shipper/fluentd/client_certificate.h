// What can be known of our own certificate without a connection, so that a mistake is told at once
// and in plain words. Reads the files; any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_CLIENT_CERTIFICATE_H_
#define SLUICE_SHIPPER_FLUENTD_CLIENT_CERTIFICATE_H_

#include <filesystem>

#include "common/error.h"
#include "common/time.h"

namespace sluice::shipper::fluentd {

// kConfig: a file cannot be read or is not PEM, the key is encrypted or belongs to another
// certificate. kUnauthorized: the certificate has expired or is not yet valid at `now`.
Result<void> check_client_certificate(const std::filesystem::path& cert,
                                      const std::filesystem::path& key, Timestamp now);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_CLIENT_CERTIFICATE_H_
