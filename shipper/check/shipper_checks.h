// What `sluice-shipper check` looks at: the certificate and the other secrets towards Fluentd,
// whether Fluentd can be reached and takes them, the delivery store and its folders.
//
// Each part adds at least one finding. Sends no event: that is for `sluice-shipper probe`.
#ifndef SLUICE_SHIPPER_CHECK_SHIPPER_CHECKS_H_
#define SLUICE_SHIPPER_CHECK_SHIPPER_CHECKS_H_

#include "common/self_check.h"

namespace sluice::shipper {

SelfCheck shipper_checks();

// The parts.
void check_certificates(const CheckContext& context, Findings* findings);
void check_secrets(const CheckContext& context, Findings* findings);
void check_sinks(const CheckContext& context, Findings* findings);
void check_monitors(const CheckContext& context, Findings* findings);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_CHECK_SHIPPER_CHECKS_H_
