// Sets libcurl up, once a process, before anything of it is used. Any thread.
//
// SIGPIPE is ignored from then on: libcurl, told to leave signals alone, lets a write to a closed
// connection raise it.
#ifndef SLUICE_SHIPPER_FLUENTD_LIBCURL_H_
#define SLUICE_SHIPPER_FLUENTD_LIBCURL_H_

#include "common/error.h"

namespace sluice::shipper::fluentd {

// kInternal: it cannot be set up, or is not built with OpenSSL.
Result<void> set_up_libcurl();

}  // namespace sluice::shipper::fluentd

#endif  // SLUICE_SHIPPER_FLUENTD_LIBCURL_H_
