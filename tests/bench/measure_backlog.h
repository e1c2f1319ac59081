// A queue with a large backlog (10 million events): how quickly it is drained, from where it is
// read, how much memory writer and reader have, and how soon it opens after a kill.
#ifndef SLUICE_TESTS_BENCH_MEASURE_BACKLOG_H_
#define SLUICE_TESTS_BENCH_MEASURE_BACKLOG_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_backlog(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_BACKLOG_H_
