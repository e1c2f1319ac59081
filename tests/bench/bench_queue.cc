// bench-queue: the queue's speed, memory and space against their targets (docs/durability.md).
//
// Prints progress on stderr and one Markdown table on stdout. Exit status 1: a target was missed by
// more than noise (tests/bench/report.h says what that is).
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/measure_append.h"
#include "tests/bench/measure_backlog.h"
#include "tests/bench/measure_latency.h"
#include "tests/bench/measure_size.h"
#include "tests/bench/report.h"
#include "tests/bench/setup.h"

namespace sluice::bench {
namespace {

struct Part {
  const char* name;
  Result<void> (*measure)(const Setup&, Report*);
};
constexpr std::array kParts = {Part{"append", measure_append}, Part{"latency", measure_latency},
                               Part{"size", measure_size}, Part{"backlog", measure_backlog}};

// Other programs' load is part of every figure, so it is told.
std::string load_of_the_machine() {
  std::array<double, 3> load{};
  if (::getloadavg(load.data(), 3) < 1) return "";
  return fmt::format("Load of the machine over the last minute: {:.1f}, on {} processors.\n",
                     load[0], ::sysconf(_SC_NPROCESSORS_ONLN));
}

int run(const Setup& setup, const std::vector<std::string>& parts) {
  const ScratchFolder folder(setup.folder);
  Report report;
  for (const Part& part : kParts) {
    if (!parts.empty() && std::find(parts.begin(), parts.end(), part.name) == parts.end()) continue;
    fmt::print(stderr, "{}\n", part.name);
    if (const auto done = part.measure(setup, &report); !done) {
      fmt::print(stderr, "bench-queue: {}\n", done.error().message);
      return exit_status(done.error().kind);
    }
  }
  if (setup.quick) report.add_text("Run with --quick: these figures mean nothing.\n");
  report.add_text(load_of_the_machine());
  fmt::print("{}", report.to_markdown());
  return report.anything_missed() && !setup.quick ? 1 : 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::Setup setup;
  std::string folder = "build/bench-queue";
  std::vector<std::string> parts;
  CLI::App app("Measures the queue's speed, memory and space against their targets.");
  app.add_flag("--quick", setup.quick, "Only see that everything runs: the figures mean nothing");
  app.add_option("--folder", folder, "Where to write; up to 15 GB, removed at the end")
      ->capture_default_str();
  app.add_option("--backlog", setup.backlog_events, "Events of the large backlog")
      ->capture_default_str()
      ->check(CLI::Range(1'000'000, 100'000'000));
  app.add_option("--only", parts, "append, latency, size, backlog: only these")
      ->delimiter(',')
      ->check(CLI::IsMember({"append", "latency", "size", "backlog"}));
  CLI11_PARSE(app, argc, argv);
  // A folder of its own, so that nothing that was there can be removed.
  setup.folder = std::filesystem::absolute(folder) / std::to_string(::getpid());
  return sluice::bench::run(setup, parts);
}
