// The files of our side of a TLS connection to the sink, as they are configured. Value type.
#ifndef SLUICE_SHIPPER_FLUENTD_TLS_FILES_H_
#define SLUICE_SHIPPER_FLUENTD_TLS_FILES_H_

#include <filesystem>

namespace sluice::shipper::fluentd {

// PEM, all but the passphrase. `cert` and `key` belong together.
struct TlsFiles {
  std::filesystem::path ca = {};  // empty: the system's
  std::filesystem::path cert = {};
  std::filesystem::path key = {};
  std::filesystem::path key_passphrase = {};  // empty: the key is not encrypted
};

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_TLS_FILES_H_
