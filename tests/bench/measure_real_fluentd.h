// How much of what a real Fluentd takes the shipper brings to it.
//
// In turn with the shipper, round by round, a bare load generator with as many connections and as
// large bodies sends to the same Fluentd; and the shipper with limits that do not adapt. Where
// there is no `fluentd` on the PATH nothing is measured, and the report says so.
#ifndef SLUICE_TESTS_BENCH_MEASURE_REAL_FLUENTD_H_
#define SLUICE_TESTS_BENCH_MEASURE_REAL_FLUENTD_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_real_fluentd(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_REAL_FLUENTD_H_
