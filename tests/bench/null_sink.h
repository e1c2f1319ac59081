// A server that accepts everything at once and keeps nothing: what a shipper is measured against
// that no receiver slows down.
//
// It takes POSTs with a Content-Length, and chunks of the forward protocol, on the same port;
// connections are kept. Over TLS 1.2 as Fluentd's default
// is, with a certificate wanted from the client; or without TLS, and then bodies are dropped in the
// kernel, so that they cost as little as bytes on a socket can.
#ifndef SLUICE_TESTS_BENCH_NULL_SINK_H_
#define SLUICE_TESTS_BENCH_NULL_SINK_H_

#include <filesystem>

#include "common/error.h"
#include "tests/bench/child.h"

namespace sluice::bench {

struct NullSinkOptions {
  // What tests/support/certificates.py made for Fluentd; empty: no TLS.
  std::filesystem::path certificates;
  // Connections are refused until the parent says to go on.
  bool is_down_at_first = false;
};

// The work of a child: sends {"port", {number}}, and serves until told to go on.
Result<void> serve_null_sink(const NullSinkOptions& options, const Parent& parent);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_NULL_SINK_H_
