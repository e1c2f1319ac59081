#include "tests/bench/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace sluice::bench {
namespace {

// Other programs' load is part of every figure, so it is told.
std::string load_of_the_machine() {
  std::array<double, 3> load{};
  if (::getloadavg(load.data(), 3) < 1) return "";
  return fmt::format("Load of the machine over the last minute: {:.1f}, on {} processors.\n",
                     load[0], ::sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

int run_parts(const char* program, const Setup& setup, std::span<const Part> parts,
              const std::vector<std::string>& only) {
  const ScratchFolder folder(setup.folder);
  Report report;
  for (const Part& part : parts) {
    if (!only.empty() && std::find(only.begin(), only.end(), part.name) == only.end()) continue;
    fmt::print(stderr, "{}\n", part.name);
    if (const auto done = part.measure(setup, &report); !done) {
      fmt::print(stderr, "{}: {}\n", program, done.error().message);
      return exit_status(done.error().kind);
    }
  }
  if (setup.quick) report.add_text("Run with --quick: these figures mean nothing.\n");
  report.add_text(load_of_the_machine());
  fmt::print("{}", report.to_markdown());
  return report.anything_missed() && !setup.quick ? 1 : 0;
}

}  // namespace sluice::bench
