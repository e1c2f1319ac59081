// A certificate authority, and a certificate for each side of the connection to Fluentd.
//
// The authority signs nothing else and is not kept in memory afterwards. Everything is PEM. Any
// thread; no files.
#ifndef SLUICE_SHIPPER_CONFIGURE_CERTIFICATES_H_
#define SLUICE_SHIPPER_CONFIGURE_CERTIFICATES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/time.h"

namespace sluice::shipper::configure {

enum class KeyType : std::uint8_t { kEcdsa, kRsa };  // ECDSA: on P-256

// Whose certificate it is. With more than a common name, since Logstash refuses names that are
// almost empty.
struct SubjectName {
  std::string common_name;
  std::string organization;
};

struct CertificateOrder {
  KeyType key_type = KeyType::kEcdsa;
  unsigned rsa_bits = 0;
  Timestamp from;
  Timestamp until;
  SubjectName authority;
  SubjectName server;
  SubjectName client;
  // What the server may be called; valid names and addresses, at least one.
  std::vector<std::string> dns_names;
  std::vector<std::string> ips;
  std::string server_passphrase;
};

struct CertifiedKey {
  std::string certificate;
  // PKCS#8, which Ruby, libcurl and Java read.
  std::string key;
};

struct Certificates {
  CertifiedKey authority;
  CertifiedKey server;  // its key is encrypted with the order's passphrase
  CertifiedKey client;
};

// kInternal: OpenSSL cannot do it.
Result<Certificates> make_certificates(const CertificateOrder& order);

}  // namespace sluice::shipper::configure

#endif  // SLUICE_SHIPPER_CONFIGURE_CERTIFICATES_H_
