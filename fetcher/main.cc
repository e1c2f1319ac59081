// sluice-fetcher: takes audit events and session recordings from Teleport into the queue.
#include "common/daemon.h"
#include "common/memory.h"
#include "common/time.h"
#include "fetcher/check/fetcher_checks.h"
#include "fetcher/fetcher.h"
#include "fetcher/position.h"

int main(int argc, char** argv) {
  sluice::keep_freed_memory();
  const sluice::Daemon daemon{
      .name = "sluice-fetcher",
      .description = "Takes Teleport's audit events and session recordings into a Sluice queue.",
      .program = sluice::Program::kFetcher,
      .run =
          [](const sluice::Config& config, const std::stop_token& stop) {
            return sluice::fetcher::Fetcher(config, sluice::system_clock()).run(stop);
          },
      .check = sluice::fetcher::fetcher_checks(),
      .commands = {sluice::fetcher::position_command()}};
  return sluice::run_daemon(daemon, argc, argv);
}
