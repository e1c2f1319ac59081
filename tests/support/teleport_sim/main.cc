// teleport-sim: a stand-in for a Teleport Auth server, for tests.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <utility>
#include <vector>

#include "tests/support/teleport_sim/control.h"
#include "tests/support/teleport_sim/control_socket.h"
#include "tests/support/teleport_sim/listener.h"
#include "tests/support/teleport_sim/options.h"
#include "tests/support/teleport_sim/real_events.h"
#include "tests/support/teleport_sim/simulation.h"

namespace sluice::teleport_sim {
namespace {

constexpr int kLeaveSignal = SIGUSR1;

// Readers wait for the file to appear, so it appears complete.
Result<void> write_port_file(const std::string& path, int port) {
  const std::string unfinished = path + ".new";
  std::ofstream file(unfinished);
  file << port << '\n';
  file.close();
  if (!file || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return fail(errno_error("write", path));
  }
  return {};
}

Result<std::vector<Event>> load_events_if_given(const std::string& path) {
  if (path.empty()) return std::vector<Event>();
  return load_events(path);
}

Result<void> serve(const Options& options, const sigset_t& signals) {
  SLUICE_ASSIGN(auto real_audit, load_events_if_given(options.events_file_path));
  SLUICE_ASSIGN(auto real_recording, load_events_if_given(options.session_events_file_path));
  const EventMaker maker(options.seed, options.cluster, std::move(real_audit),
                         std::move(real_recording));
  Catalog catalog(options.plan, maker);
  RecordFile record;
  if (!options.record_path.empty()) SLUICE_TRY(record.open(options.record_path));
  Faults faults;
  faults.export_unimplemented = !options.bulk_export;
  Statistics statistics;
  const Simulation simulation{maker, catalog, record, faults, statistics};
  Listener listener(&options, simulation);
  SLUICE_TRY(listener.open());
  Control control(
      simulation, [] { ::kill(::getpid(), SIGTERM); }, [] { ::kill(::getpid(), kLeaveSignal); });
  ControlSocket control_socket;
  if (!options.control_path.empty()) {
    SLUICE_TRY(control_socket.open(options.control_path,
                                   [&](const std::string& line) { return control.handle(line); }));
  }
  if (!options.port_file_path.empty()) {
    SLUICE_TRY(write_port_file(options.port_file_path, listener.port()));
  }
  std::cerr << "teleport-sim: serving on port " << listener.port() << '\n';
  int signal = 0;
  while (::sigwait(&signals, &signal) == 0 && signal == kLeaveSignal) {
    listener.leave(std::chrono::milliseconds(faults.leaving_grace_ms));
    SLUICE_TRY(listener.open());
  }
  listener.leave(std::chrono::seconds(1));
  return {};
}

int run(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::cerr << "teleport-sim: " << options.error().message << "\n\n" << usage();
    return exit_status(options.error().kind);
  }
  // Before any thread is started, so that all of them leave these signals to sigwait().
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, kLeaveSignal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto served = serve(*options, signals);
  if (!served) {
    std::cerr << "teleport-sim: " << served.error().message << '\n';
    return exit_status(served.error().kind);
  }
  return 0;
}

}  // namespace
}  // namespace sluice::teleport_sim

int main(int argc, char** argv) { return sluice::teleport_sim::run(argc, argv); }
