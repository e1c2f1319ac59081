#include "tests/bench/export_server.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/slice.h>

#include <atomic>
#include <memory>
#include <vector>

#include "common/files.h"
#include "teleport/auditlog/v1/auditlog.grpc.pb.h"
#include "tests/bench/wire_events.h"

namespace sluice::bench {
namespace {

namespace auditlog = teleport::auditlog::v1;

// Of different contents; further ones differ in their ids.
constexpr std::size_t kDifferent = 2048;
constexpr std::size_t kPemBytesMax = 1U << 16;

// What all calls share.
struct Events {
  std::vector<WireEvent> events;
  std::atomic<std::uint64_t> next_id = 1;
};

// One call: writes a chunk, then deletes itself.
class ChunkWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  ChunkWriter(Events* events, std::size_t count)
      : events_(*events), count_(count), first_id_(events->next_id.fetch_add(count)) {
    write_next();
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      write_next();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  void write_next() {
    if (place_ == count_) {
      Finish(grpc::Status::OK);
      return;
    }
    const std::uint64_t id = first_id_ + place_;
    const WireEvent& event = events_.events[id % events_.events.size()];
    const grpc::Slice slice(event.message().size());
    // The slice is new and nobody else's yet.
    event.copy(id, place_, reinterpret_cast<char*>(const_cast<std::uint8_t*>(slice.begin())));
    message_ = grpc::ByteBuffer(&slice, 1);
    ++place_;
    StartWrite(&message_);
  }

  Events& events_;
  const std::size_t count_;
  const std::uint64_t first_id_;
  std::size_t place_ = 0;
  grpc::ByteBuffer message_;
};

class Service final
    : public auditlog::AuditLogService::WithRawCallbackMethod_ExportUnstructuredEvents<
          auditlog::AuditLogService::Service> {
 public:
  explicit Service(const ExportPlan& plan)
      : plan_(plan), events_{make_wire_events(kDifferent, plan.day, plan.seed)} {}

  grpc::Status GetEventExportChunks(
      grpc::ServerContext* /*context*/, const auditlog::GetEventExportChunksRequest* request,
      grpc::ServerWriter<auditlog::EventExportChunk>* writer) override {
    const Timestamp date{.seconds = request->date().seconds()};
    if (day_of(date) != plan_.day) return grpc::Status::OK;
    for (std::size_t i = 0; i < plan_.chunks; ++i) {
      auditlog::EventExportChunk chunk;
      chunk.set_chunk(ExportPlan::chunk_name(i));
      writer->Write(chunk);
    }
    return grpc::Status::OK;
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* ExportUnstructuredEvents(
      grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* /*request*/) override {
    return new ChunkWriter(&events_, plan_.events_per_chunk);
  }

 private:
  const ExportPlan& plan_;
  Events events_;
};

Result<std::shared_ptr<grpc::ServerCredentials>> credentials(const std::filesystem::path& folder) {
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  SLUICE_ASSIGN(tls.pem_root_certs, read_file(folder / "client-cas.crt", kPemBytesMax));
  SLUICE_ASSIGN(pair.private_key, read_file(folder / "auth.key", kPemBytesMax));
  SLUICE_ASSIGN(pair.cert_chain, read_file(folder / "auth.crt", kPemBytesMax));
  tls.pem_key_cert_pairs.push_back(pair);
  return grpc::SslServerCredentials(tls);
}

}  // namespace

std::string ExportPlan::chunk_name(std::size_t place) { return fmt::format("chunk-{:04}", place); }

Result<void> serve_export(const ExportPlan& plan, const Parent& parent) {
  Service service(plan);
  SLUICE_ASSIGN(const auto tls, credentials(plan.certificates));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", tls, &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return fail(ErrorKind::kUnavailable, "the benchmark's server cannot serve on 127.0.0.1");
  }
  parent.send({{"port", {static_cast<double>(port)}}});
  parent.wait();
  server->Shutdown(std::chrono::system_clock::now());
  return {};
}

}  // namespace sluice::bench
