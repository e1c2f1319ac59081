// How many events a second leave the queue for a sink that accepts at once, and what they cost.
//
// The shipper's own path: reader, lane, bodies, libcurl, synced completions; in a process of its
// own, behind a delay of 0, 1 and 25 ms of round trip. In turn with it, round by round, the same
// path with one event a request on one connection, which is what the others are ratios to. The sink
// is another process (null_sink.h) and shares the machine's processors, as does the proxy that
// delays.
#ifndef SLUICE_TESTS_BENCH_MEASURE_SHIP_H_
#define SLUICE_TESTS_BENCH_MEASURE_SHIP_H_

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

Result<void> measure_ship_plain(const Setup& setup, Report* report);
Result<void> measure_ship_tls(const Setup& setup, Report* report);
// What the shipper's memory comes to with a large backlog, while the sink is down and while it
// drains.
Result<void> measure_ship_memory(const Setup& setup, Report* report);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_MEASURE_SHIP_H_
