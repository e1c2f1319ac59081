// Serves the simulation's services on a port, over mTLS, and can leave it and come back.
//
// Leaving is what Auth does when it ends: it tells its clients to go away (GOAWAY), gives calls
// under way some time, and cuts off those that are left. Used by one thread.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_LISTENER_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_LISTENER_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <string>

#include "common/error.h"
#include "tests/support/teleport_sim/audit_log_service.h"
#include "tests/support/teleport_sim/auth_service.h"
#include "tests/support/teleport_sim/options.h"
#include "tests/support/teleport_sim/simulation.h"

namespace sluice::teleport_sim {

class Listener {
 public:
  // Both outlive it.
  Listener(const Options* options, const Simulation& simulation);

  // Serves; on the same port again after leave().
  Result<void> open();
  void leave(std::chrono::milliseconds grace);
  int port() const { return port_; }

 private:
  Result<void> load_credentials();

  const Options& options_;
  const Faults& faults_;
  AuditLogService audit_log_;
  AuthService auth_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;  // last: it uses the services
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_LISTENER_H_
