// Teleport's audit log over gRPC, serving the catalogue.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUDIT_LOG_SERVICE_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUDIT_LOG_SERVICE_H_

#include <optional>

#include "teleport/auditlog/v1/auditlog.grpc.pb.h"
#include "tests/support/teleport_sim/simulation.h"

namespace sluice::teleport_sim {

class AuditLogService final : public teleport::auditlog::v1::AuditLogService::Service {
 public:
  explicit AuditLogService(const Simulation& simulation) : simulation_(simulation) {}

  grpc::Status GetEventExportChunks(
      grpc::ServerContext* context,
      const teleport::auditlog::v1::GetEventExportChunksRequest* request,
      grpc::ServerWriter<teleport::auditlog::v1::EventExportChunk>* writer) override;

  grpc::Status ExportUnstructuredEvents(
      grpc::ServerContext* context,
      const teleport::auditlog::v1::ExportUnstructuredEventsRequest* request,
      grpc::ServerWriter<teleport::auditlog::v1::ExportEventUnstructured>* writer) override;

  grpc::Status GetUnstructuredEvents(
      grpc::ServerContext* context,
      const teleport::auditlog::v1::GetUnstructuredEventsRequest* request,
      teleport::auditlog::v1::EventsUnstructured* response) override;

  grpc::Status StreamUnstructuredSessionEvents(
      grpc::ServerContext* context,
      const teleport::auditlog::v1::StreamUnstructuredSessionEventsRequest* request,
      grpc::ServerWriter<teleport::auditlog::v1::EventUnstructured>* writer) override;

 private:
  // Counts the call, and says why it must end at once: too many calls, or a right that is missing.
  std::optional<grpc::Status> begin(const char* method, bool denied, const char* verb,
                                    const char* resource);
  // Counts it, too.
  grpc::Status refuse_key(const char* why);

  Simulation simulation_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUDIT_LOG_SERVICE_H_
