// The command line of teleport-sim.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_OPTIONS_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_OPTIONS_H_

#include <cstdint>
#include <string>

#include "common/error.h"
#include "tests/support/teleport_sim/catalog.h"

namespace sluice::teleport_sim {

struct Options {
  std::string listen = "127.0.0.1:0";
  std::string ca_path;    // who may sign client certificates
  std::string cert_path;  // ours
  std::string key_path;
  std::string cluster = "sim.example.com";
  std::string record_path;               // none: nothing is noted
  std::string port_file_path;            // gets the port when the server is ready
  std::string control_path;              // none: no control socket
  std::string events_file_path;          // none: made-up events
  std::string session_events_file_path;  // none: made-up recordings
  std::uint64_t seed = 1;
  bool bulk_export = true;
  CatalogPlan plan;
};

Result<Options> parse_options(int argc, char** argv);

// The help text.
const char* usage();

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_OPTIONS_H_
