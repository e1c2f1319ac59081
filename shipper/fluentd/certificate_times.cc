#include "shipper/fluentd/certificate_times.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <ctime>

namespace sluice::shipper::fluentd {
namespace {

Timestamp to_timestamp(const ASN1_TIME* time) {
  std::tm utc{};
  const bool is_read = ASN1_TIME_to_tm(time, &utc) == 1;
  ERR_clear_error();
  if (!is_read) return {};
  return {.seconds = timegm(&utc), .nanos = 0};
}

}  // namespace

CertificateTimes times_of(const x509_st* certificate) {
  return {.not_before = to_timestamp(X509_get0_notBefore(certificate)),
          .not_after = to_timestamp(X509_get0_notAfter(certificate))};
}

}  // namespace sluice::shipper::fluentd
