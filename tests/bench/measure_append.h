// How quickly the Writer appends with sync, against a plain sequential write and fdatasync of the
// same bytes to the same file system.
//
// Both do the same batches in turn, round by round, so that what else the machine does meets both.
// The Writer's side has all that an event costs the queue: record, id, ledger, cursor. The plain
// side has the events' JSON alone.
#ifndef SLUICE_TESTS_BENCH_MEASURE_APPEND_H_
#define SLUICE_TESTS_BENCH_MEASURE_APPEND_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_append(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_APPEND_H_
