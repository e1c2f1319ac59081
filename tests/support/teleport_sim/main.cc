// teleport-sim: a stand-in for a Teleport Auth server, for tests.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "tests/support/teleport_sim/audit_log_service.h"
#include "tests/support/teleport_sim/auth_service.h"
#include "tests/support/teleport_sim/control.h"
#include "tests/support/teleport_sim/control_socket.h"
#include "tests/support/teleport_sim/options.h"
#include "tests/support/teleport_sim/real_events.h"

namespace sluice::teleport_sim {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(errno_error("open", path));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

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

Result<std::shared_ptr<grpc::ServerCredentials>> make_credentials(const Options& options) {
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  SLUICE_ASSIGN(tls.pem_root_certs, read_file(options.ca_path));
  SLUICE_ASSIGN(pair.private_key, read_file(options.key_path));
  SLUICE_ASSIGN(pair.cert_chain, read_file(options.cert_path));
  tls.pem_key_cert_pairs.push_back(pair);
  return grpc::SslServerCredentials(tls);
}

// Refuses pings more often than each 60 s, as Teleport does.
void set_keepalive_rules(grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 60'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

Result<void> serve(const Options& options, const sigset_t& stop_signals) {
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
  AuditLogService audit_log(simulation);
  AuthService auth(options.cluster, &faults, &statistics);

  SLUICE_ASSIGN(const auto credentials, make_credentials(options));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen, credentials, &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  set_keepalive_rules(&builder);
  builder.RegisterService(&audit_log);
  builder.RegisterService(&auth);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return fail(ErrorKind::kUnavailable,
                "cannot serve on " + options.listen + ": the port is taken or a file is no PEM");
  }

  Control control(simulation, [] { ::kill(::getpid(), SIGTERM); });
  ControlSocket control_socket;
  if (!options.control_path.empty()) {
    SLUICE_TRY(control_socket.open(options.control_path,
                                   [&](const std::string& line) { return control.handle(line); }));
  }
  if (!options.port_file_path.empty()) SLUICE_TRY(write_port_file(options.port_file_path, port));
  std::cerr << "teleport-sim: serving on port " << port << '\n';
  int signal = 0;
  ::sigwait(&stop_signals, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return {};
}

int run(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::cerr << "teleport-sim: " << options.error().message << "\n\n" << usage();
    return exit_status(options.error().kind);
  }
  // Before any thread is started, so that all of them leave these signals to sigwait().
  sigset_t stop_signals;
  ::sigemptyset(&stop_signals);
  ::sigaddset(&stop_signals, SIGTERM);
  ::sigaddset(&stop_signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  const auto served = serve(*options, stop_signals);
  if (!served) {
    std::cerr << "teleport-sim: " << served.error().message << '\n';
    return exit_status(served.error().kind);
  }
  return 0;
}

}  // namespace
}  // namespace sluice::teleport_sim

int main(int argc, char** argv) { return sluice::teleport_sim::run(argc, argv); }
