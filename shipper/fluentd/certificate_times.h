// From when until when certificates are valid. Any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_CERTIFICATE_TIMES_H_
#define SLUICE_SHIPPER_FLUENTD_CERTIFICATE_TIMES_H_

#include "common/time.h"

struct x509_st;  // OpenSSL's X509

namespace sluice::shipper::fluentd {

struct CertificateTimes {
  Timestamp not_before;
  Timestamp not_after;
  bool operator==(const CertificateTimes&) const = default;
};

// The beginning of time where a certificate's own cannot be read.
CertificateTimes times_of(const x509_st* certificate);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_CERTIFICATE_TIMES_H_
