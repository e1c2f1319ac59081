// A Teleport that serves one day's bulk export as quickly as it can, over TLS on this machine.
//
// Serves what was serialised beforehand, as bytes, so that it costs little beside what is measured.
// Every event that it sends has an id of its own, whatever was asked for before, so that none is
// taken for a duplicate.
#ifndef SLUICE_TESTS_BENCH_EXPORT_SERVER_H_
#define SLUICE_TESTS_BENCH_EXPORT_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "common/error.h"
#include "common/time.h"
#include "tests/bench/child.h"

namespace sluice::bench {

struct ExportPlan {
  Day day = 0;
  std::size_t chunks = 0;
  std::size_t events_per_chunk = 0;
  std::uint64_t seed = 0;
  std::filesystem::path certificates;  // as tests/support/certificates.py makes them

  std::size_t events() const { return chunks * events_per_chunk; }
  // Of the chunk; its place among the chunks as they are listed.
  static std::string chunk_name(std::size_t place);
};

// The work of a child: sends {"port", {number}} once it serves, and serves until told to go on.
Result<void> serve_export(const ExportPlan& plan, const Parent& parent);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_EXPORT_SERVER_H_
