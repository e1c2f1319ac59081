// How many events a second come from a server on this machine: to nowhere, and into the synced
// queue.
//
// The fetcher's own path: TLS, gRPC over a socket pair, bulk export, transcoding, lane buffers; and
// into the queue, the ingest loop with the Writer, until all is on the disk. In turn with it, round
// by round, the stock path (stock_fetch.h) with the same server, buffers, ingest loop and queue.
// The server is a process of its own and shares the machine's processors.
#ifndef SLUICE_TESTS_BENCH_MEASURE_FETCH_H_
#define SLUICE_TESTS_BENCH_MEASURE_FETCH_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_fetch_to_nothing(const Setup& setup, Report* report);
Result<void> measure_fetch_to_queue(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_FETCH_H_
