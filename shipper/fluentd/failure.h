// Puts libcurl's failures into sentences for people: what failed, at which URL, what to do.
//
// The distinctions are those that Fluentd makes necessary: with TLS 1.3 it refuses a client
// certificate only after the handshake, so that the refusal looks like a lost connection, and
// libcurl reports our own expired certificate as if the server's were bad. Pure; any thread.
#ifndef SLUICE_SHIPPER_FLUENTD_FAILURE_H_
#define SLUICE_SHIPPER_FLUENTD_FAILURE_H_

#include <string>
#include <string_view>

namespace sluice::shipper::fluentd {

struct FailureContext {
  std::string url;
  std::string ca;  // files, to be named in sentences; may be empty
  std::string cert;
};

// `code` is libcurl's, `detail` what it says of this one failure (may be empty).
std::string failure_sentence(int code, std::string_view detail, const FailureContext& context);

// Whether the server ended the TLS connection because of our certificate. It has then read no
// request.
bool is_client_certificate_refusal(int code, std::string_view detail);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_FAILURE_H_
