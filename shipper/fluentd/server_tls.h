// What a TLS connection to the sink shows of its other end, for whoever watches or tells of it.
#ifndef SLUICE_SHIPPER_FLUENTD_SERVER_TLS_H_
#define SLUICE_SHIPPER_FLUENTD_SERVER_TLS_H_

#include <functional>
#include <string>

#include "shipper/fluentd/certificate_times.h"

struct ssl_st;  // OpenSSL's SSL

namespace sluice::shipper::fluentd {

struct ServerTls {
  std::string version;  // "TLSv1.3"
  std::string subject;  // of the server's certificate
  std::string issuer;
  CertificateTimes certificate;
  CertificateTimes authority;  // of those above it, the one that ends first
};

// `ssl` has shaken hands and verified the server.
ServerTls server_tls_of(const ssl_st* ssl);

// Told of each new TLS connection, on the transport's thread; must return quickly. Several
// transports may call one at once.
using OnConnected = std::function<void(const ServerTls&)>;

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_SERVER_TLS_H_
