#include "tests/support/teleport_sim/auth_service.h"

namespace sluice::teleport_sim {

grpc::Status AuthService::Ping(grpc::ServerContext* context, const proto::PingRequest*,
                               proto::PingResponse* response) {
  statistics_.count_call("Ping");
  if (auto status = faults_.take_for_call()) return *status;
  response->set_cluster_name(cluster_);
  response->set_server_version("17.4.2");
  response->set_proxy_public_addr("proxy.example.com:443");
  response->set_remote_addr(context->peer());
  return grpc::Status::OK;
}

grpc::Status AuthService::UpsertLock(grpc::ServerContext*, const types::LockV2* request,
                                     google::protobuf::Empty*) {
  statistics_.count_call("UpsertLock");
  if (auto status = faults_.take_for_call()) return *status;
  if (faults_.locks_denied) {
    return {grpc::StatusCode::PERMISSION_DENIED,
            "access denied to perform action \"create\" on \"lock\""};
  }
  if (request->kind() != "lock" || request->version() != "v2" ||
      request->metadata().name().empty()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "a lock needs kind, version and name"};
  }
  nlohmann::json lock = {{"name", request->metadata().name()},
                         {"user", request->spec().target().user()},
                         {"login", request->spec().target().login()},
                         {"message", request->spec().message()}};
  if (request->spec().has_expires()) lock["expires"] = request->spec().expires().seconds();
  statistics_.add_lock(std::move(lock));
  return grpc::Status::OK;
}

}  // namespace sluice::teleport_sim
