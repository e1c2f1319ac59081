// bench-ship: how quickly events leave the queue for Fluentd, and with how much memory, against
// their targets (docs/performance.md).
//
// Prints progress on stderr and one Markdown table on stdout. Exit status 1: a target was missed by
// more than noise (tests/bench/report.h says what that is).
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <vector>

#include "tests/bench/measure_real_fluentd.h"
#include "tests/bench/measure_ship.h"
#include "tests/bench/program.h"
#include "tests/bench/setup.h"

namespace sluice::bench {
namespace {

constexpr std::array kParts = {Part{"plain", measure_ship_plain}, Part{"tls", measure_ship_tls},
                               Part{"memory", measure_ship_memory},
                               Part{"fluentd", measure_real_fluentd}};

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::Setup setup;
  setup.backlog_events = 1'000'000;
  std::string folder = "build/bench-ship";
  std::vector<std::string> parts;
  CLI::App app(
      "Measures how quickly events are shipped, and with how much memory, against targets.");
  app.add_flag("--quick", setup.quick, "Only see that everything runs: the figures mean nothing");
  app.add_option("--folder", folder, "Where to write; up to 3 GB, removed at the end")
      ->capture_default_str();
  app.add_option("--backlog", setup.backlog_events, "Events in the queue")
      ->capture_default_str()
      ->check(CLI::Range(100'000, 100'000'000));
  app.add_option("--only", parts, "plain, tls, memory, fluentd: only these")
      ->delimiter(',')
      ->check(CLI::IsMember({"plain", "tls", "memory", "fluentd"}));
  CLI11_PARSE(app, argc, argv);
  // A folder of its own, so that nothing that was there can be removed.
  setup.folder = std::filesystem::absolute(folder) / std::to_string(::getpid());
  return sluice::bench::run_parts("bench-ship", setup, sluice::bench::kParts, parts);
}
