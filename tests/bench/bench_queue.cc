// bench-queue: the queue's speed, memory and space against their targets (docs/durability.md).
//
// Prints progress on stderr and one Markdown table on stdout. Exit status 1: a target was missed by
// more than noise (tests/bench/report.h says what that is).
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <vector>

#include "tests/bench/measure_append.h"
#include "tests/bench/measure_backlog.h"
#include "tests/bench/measure_latency.h"
#include "tests/bench/measure_size.h"
#include "tests/bench/program.h"
#include "tests/bench/setup.h"

namespace sluice::bench {
namespace {

constexpr std::array kParts = {Part{"append", measure_append}, Part{"latency", measure_latency},
                               Part{"size", measure_size}, Part{"backlog", measure_backlog}};

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
  return sluice::bench::run_parts("bench-queue", setup, sluice::bench::kParts, parts);
}
