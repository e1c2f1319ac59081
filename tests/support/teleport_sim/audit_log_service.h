// Teleport's audit log over gRPC, serving the catalogue.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUDIT_LOG_SERVICE_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUDIT_LOG_SERVICE_H_

#include "teleport/auditlog/v1/auditlog.grpc.pb.h"
#include "tests/support/teleport_sim/catalog.h"
#include "tests/support/teleport_sim/event_maker.h"
#include "tests/support/teleport_sim/faults.h"
#include "tests/support/teleport_sim/record_file.h"
#include "tests/support/teleport_sim/statistics.h"

namespace sluice::teleport_sim {

// What both services work on; all of it outlives them.
struct Simulation {
  const EventMaker& maker;
  Catalog& catalog;
  RecordFile& record;
  Faults& faults;
  Statistics& statistics;

  // The present, or the moment at which it was made to stand still.
  Timestamp now() const;
};

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
  Simulation simulation_;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_AUDIT_LOG_SERVICE_H_
