#include "tests/support/teleport_sim/listener.h"

#include <fmt/format.h>
#include <grpcpp/server_builder.h>

#include <fstream>
#include <sstream>

namespace sluice::teleport_sim {
namespace {

// Of a connection that has reached its greatest age.
constexpr int kAgeGraceMs = 500;

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(errno_error("open", path));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Refuses pings more often than each 60 s, as Teleport does (reference/teleport.md §3.5).
void set_keepalive_rules(grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 60'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

}  // namespace

Listener::Listener(const Options* options, const Simulation& simulation)
    : options_(*options),
      faults_(simulation.faults),
      audit_log_(simulation),
      auth_(options->cluster, &simulation.faults, &simulation.statistics) {}

Result<void> Listener::open() {
  if (!credentials_) SLUICE_TRY(load_credentials());
  const std::string address =
      port_ == 0
          ? options_.listen
          : fmt::format("{}:{}", options_.listen.substr(0, options_.listen.rfind(':')), port_);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, credentials_, &port_);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  set_keepalive_rules(&builder);
  if (const int age_ms = faults_.connection_age_ms; age_ms > 0) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, age_ms);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kAgeGraceMs);
  }
  builder.RegisterService(&audit_log_);
  builder.RegisterService(&auth_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    return fail(ErrorKind::kUnavailable,
                "cannot serve on " + address + ": the port is taken or a file is no PEM");
  }
  return {};
}

void Listener::leave(std::chrono::milliseconds grace) {
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  server_.reset();
}

Result<void> Listener::load_credentials() {
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  SLUICE_ASSIGN(tls.pem_root_certs, read_file(options_.ca_path));
  SLUICE_ASSIGN(pair.private_key, read_file(options_.key_path));
  SLUICE_ASSIGN(pair.cert_chain, read_file(options_.cert_path));
  tls.pem_key_cert_pairs.push_back(pair);
  credentials_ = grpc::SslServerCredentials(tls);
  return {};
}

}  // namespace sluice::teleport_sim
