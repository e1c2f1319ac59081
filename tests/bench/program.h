// What all benchmark programs do: run their parts, or the chosen ones, and report.
#ifndef SLUICE_TESTS_BENCH_PROGRAM_H_
#define SLUICE_TESTS_BENCH_PROGRAM_H_

#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {

struct Part {
  const char* name;
  Result<void> (*measure)(const Setup&, Report*);
};

// Prints progress on stderr and one Markdown table on stdout. `only`: names of parts; none: all.
// The exit status: 1 if a target was missed by more than noise (report.h says what that is).
int run_parts(const char* program, const Setup& setup, std::span<const Part> parts,
              const std::vector<std::string>& only);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_PROGRAM_H_
