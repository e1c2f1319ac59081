// The files of our side of TLS, from the configuration.
#ifndef SLUICE_SHIPPER_TLS_FILES_OF_H_
#define SLUICE_SHIPPER_TLS_FILES_OF_H_

#include "common/config.h"
#include "shipper/fluentd/tls_files.h"

namespace sluice::shipper {

inline fluentd::TlsFiles tls_files(const FluentdConfig& config) {
  return {.ca = config.ca,
          .cert = config.cert,
          .key = config.key,
          .key_passphrase = config.key_passphrase_file};
}

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_TLS_FILES_OF_H_
