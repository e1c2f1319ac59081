// A bare load generator: what a sink takes at most over HTTP, from a client that reads nothing,
// keeps nothing and waits for nothing but answers.
//
// Bodies are made once; each connection has one request under way. libcurl in one thread, with the
// same options as the shipper's transport, so that only the rest of the shipper differs.
#ifndef SLUICE_TESTS_BENCH_LOAD_GENERATOR_H_
#define SLUICE_TESTS_BENCH_LOAD_GENERATOR_H_

#include <cstddef>
#include <filesystem>

#include "common/error.h"
#include "tests/bench/child.h"
#include "tests/bench/shipping.h"

namespace sluice::bench {

struct Load {
  int port = 0;
  std::filesystem::path certificates;  // what tests/support/certificates.py made for Fluentd
  std::size_t connections = 4;
  std::size_t events = 500;  // in the array of a body
};

// The work of a child: sends "rate" (events a second) and "processor" (microseconds an event).
Result<void> generate_load(const Load& load, const Setup& setup, const Window& window,
                           const Parent& parent);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_LOAD_GENERATOR_H_
