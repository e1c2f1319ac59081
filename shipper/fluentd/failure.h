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

// A failure as libcurl reports it.
struct Failure {
  int code = 0;             // a CURLcode
  std::string_view detail;  // what libcurl says of this one; may be empty
  int os_error = 0;         // errno of a connection that was not made; 0: not known
};

struct FailureContext {
  std::string url;
  std::string ca;  // files, to be named in sentences; may be empty
  std::string cert;
};

// The sentence has nothing in it that differs from one try to the next (times, counts, the name of
// a recording), so that a cause that lasts can be recognised. It names the server, not the path.
std::string failure_sentence(const Failure& failure, const FailureContext& context);

// Whether the server ended the TLS connection because of our certificate. It has then read no
// request.
bool is_client_certificate_refusal(const Failure& failure);

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_FAILURE_H_
