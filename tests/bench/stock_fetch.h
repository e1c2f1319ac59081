// The bulk export read as gRPC and protobuf suggest it: gRPC's own TLS, a typed synchronous stub,
// MessageToJsonString; what fetching is compared with.
//
// Pushes the same items into the same buffers as the fetcher does, with as many threads.
#ifndef SLUICE_TESTS_BENCH_STOCK_FETCH_H_
#define SLUICE_TESTS_BENCH_STOCK_FETCH_H_

#include <cstddef>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "common/error.h"
#include "common/time.h"
#include "fetcher/ingest/lane_buffers.h"

namespace sluice::bench {

class StockFetch {
 public:
  static constexpr std::size_t kThreads = 5;

  // `certificates`: the folder that tests/support/certificates.py makes.
  static Result<StockFetch> connect(int port, const std::filesystem::path& certificates);
  StockFetch(StockFetch&&) noexcept;
  ~StockFetch();

  // The first `chunks` chunks of the day.
  Result<void> read(Day day, std::size_t chunks, fetcher::LaneBuffers* buffers,
                    const std::stop_token& stop);

 private:
  struct Impl;
  explicit StockFetch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_STOCK_FETCH_H_
