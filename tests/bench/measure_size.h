// What an event costs on the disk, by its size, and the formula for operators that follows.
#ifndef SLUICE_TESTS_BENCH_MEASURE_SIZE_H_
#define SLUICE_TESTS_BENCH_MEASURE_SIZE_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_size(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_SIZE_H_
