// Teleport's older Auth API: says who it is, and takes locks.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUTH_SERVICE_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUTH_SERVICE_H_

#include <string>
#include <utility>

#include "teleport/legacy/client/proto/authservice.grpc.pb.h"
#include "tests/support/teleport_sim/faults.h"
#include "tests/support/teleport_sim/statistics.h"

namespace sluice::teleport_sim {

class AuthService final : public proto::AuthService::Service {
 public:
  // `faults` and `statistics` outlive the service; the latter keeps the locks.
  AuthService(std::string cluster, Faults* faults, Statistics* statistics)
      : cluster_(std::move(cluster)), faults_(*faults), statistics_(*statistics) {}

  grpc::Status Ping(grpc::ServerContext* context, const proto::PingRequest* request,
                    proto::PingResponse* response) override;
  grpc::Status UpsertLock(grpc::ServerContext* context, const types::LockV2* request,
                          google::protobuf::Empty* response) override;

 private:
  const std::string cluster_;
  Faults& faults_;
  Statistics& statistics_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUTH_SERVICE_H_
