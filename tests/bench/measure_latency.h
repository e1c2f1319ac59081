// How soon an event is seen by a reader in another process, and what a reader costs that waits.
//
// The time is from the start of append(), so it contains the sync, to the return of read().
#ifndef SLUICE_TESTS_BENCH_MEASURE_LATENCY_H_
#define SLUICE_TESTS_BENCH_MEASURE_LATENCY_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_latency(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_LATENCY_H_
