// A TCP proxy that delays what passes, both ways, and limits nothing else: a network of a long
// round trip on one machine.
#ifndef SLUICE_TESTS_BENCH_DELAY_PROXY_H_
#define SLUICE_TESTS_BENCH_DELAY_PROXY_H_

#include <chrono>

#include "common/error.h"
#include "tests/bench/child.h"

namespace sluice::bench {

// The work of a child: sends {"port", {number}}, and passes on to `port` of 127.0.0.1 until told to
// go on. Bytes are underway for half of `round_trip` each way; any number of them may be.
Result<void> serve_delay_proxy(int port, std::chrono::milliseconds round_trip,
                               const Parent& parent);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_DELAY_PROXY_H_
