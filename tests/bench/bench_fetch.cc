// bench-fetch: how quickly events come from Teleport into the queue, against their targets and
// against the stock path (docs/performance.md).
//
// Prints progress on stderr and one Markdown table on stdout. Exit status 1: a target was missed by
// more than noise (tests/bench/report.h says what that is).
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <vector>

#include "tests/bench/measure_fetch.h"
#include "tests/bench/measure_transcode.h"
#include "tests/bench/program.h"
#include "tests/bench/setup.h"

namespace sluice::bench {
namespace {

constexpr std::array kParts = {Part{"transcode", measure_transcode},
                               Part{"fetch", measure_fetch_to_nothing},
                               Part{"queue", measure_fetch_to_queue}};

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::Setup setup;
  std::string folder = "build/bench-fetch";
  std::vector<std::string> parts;
  CLI::App app("Measures how quickly events are fetched, against targets and the stock path.");
  app.add_flag("--quick", setup.quick, "Only see that everything runs: the figures mean nothing");
  app.add_option("--folder", folder, "Where to write; up to 2 GB, removed at the end")
      ->capture_default_str();
  app.add_option("--only", parts, "transcode, fetch, queue: only these")
      ->delimiter(',')
      ->check(CLI::IsMember({"transcode", "fetch", "queue"}));
  CLI11_PARSE(app, argc, argv);
  // A folder of its own, so that nothing that was there can be removed.
  setup.folder = std::filesystem::absolute(folder) / std::to_string(::getpid());
  return sluice::bench::run_parts("bench-fetch", setup, sluice::bench::kParts, parts);
}
