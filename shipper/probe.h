// `sluice-shipper probe`: sends made events over the configured transport, and prints step by step
// what can be seen of what becomes of them.
//
// It needs neither queue nor fetcher, and may run beside the shipper. The events go where audit
// events go (or recordings'), with the same tag, since that tries the whole way: route, parser and
// <match>. Their type is sluice.probe, so that a receiver can leave them out.
#ifndef SLUICE_SHIPPER_PROBE_H_
#define SLUICE_SHIPPER_PROBE_H_

#include <stop_token>

#include "common/config.h"
#include "common/daemon.h"
#include "common/error.h"

namespace sluice::shipper {

// Tries each URL that is configured, and ends with the first that fails. Success only if the events
// have arrived, as far as can be seen. kUnavailable, kUnauthorized,
// kConfig: it could not be sent, or the monitor that is configured not be asked. kRejected: it was
// refused, or acknowledged and dropped, or its time is not read. kStopped.
Result<void> probe_sink(const Config& config, bool as_recording, const std::stop_token& stop);

// The same on the command line.
DaemonCommand probe_command();

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_PROBE_H_
