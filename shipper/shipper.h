// The shipping daemon without its command line: one generation after the other, until stopped.
//
// Threads: run() on one thread; it starts and joins all others.
#ifndef SLUICE_SHIPPER_SHIPPER_H_
#define SLUICE_SHIPPER_SHIPPER_H_

#include <stop_token>

#include "common/config.h"
#include "common/error.h"

namespace sluice::shipper {

// Ships until `stop` is requested, or until everything is acknowledged if the configuration says
// so. A sink that cannot be reached, or that refuses us, is not an error: it is logged and tried
// again for ever. An error means that shipping on could lose or repeat events without bound, or
// that the delivery store could not be opened at the start.
Result<void> run_shipper(const Config& config, const std::stop_token& stop);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_SHIPPER_H_
