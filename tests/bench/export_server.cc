#include "tests/bench/export_server.h"

#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "teleport/auditlog/v1/auditlog.pb.h"
#include "tests/bench/grpc_bytes_server.h"
#include "tests/bench/wire_events.h"

namespace sluice::bench {
namespace {

namespace auditlog = teleport::auditlog::v1;

// Of different contents; further ones differ in their ids.
constexpr std::size_t kDifferent = 2048;

class ChunkEvents final : public Messages {
 public:
  ChunkEvents(const std::vector<WireEvent>* events, std::size_t count, std::uint64_t first_id)
      : events_(*events), count_(count), first_id_(first_id) {}

  bool next(std::string* message) override {
    if (place_ == count_) return false;
    const std::uint64_t id = first_id_ + place_;
    const WireEvent& event = events_[id % events_.size()];
    message->resize(event.message().size());
    event.copy(id, place_, message->data());
    ++place_;
    return true;
  }

 private:
  const std::vector<WireEvent>& events_;
  const std::size_t count_;
  const std::uint64_t first_id_;
  std::size_t place_ = 0;
};

class ChunkNames final : public Messages {
 public:
  explicit ChunkNames(std::size_t count) : count_(count) {}

  bool next(std::string* message) override {
    if (place_ == count_) return false;
    auditlog::EventExportChunk chunk;
    chunk.set_chunk(ExportPlan::chunk_name(place_++));
    return chunk.SerializeToString(message);
  }

 private:
  const std::size_t count_;
  std::size_t place_ = 0;
};

class Service {
 public:
  explicit Service(const ExportPlan& plan)
      : plan_(plan), events_(make_wire_events(kDifferent, plan.day, plan.seed)) {}

  std::unique_ptr<Messages> answer(std::string_view path, std::string_view request) {
    if (path.ends_with("/ExportUnstructuredEvents")) {
      const std::size_t count = plan_.events_per_chunk;
      return std::make_unique<ChunkEvents>(&events_, count, next_id_.fetch_add(count));
    }
    auditlog::GetEventExportChunksRequest asked;
    asked.ParseFromArray(request.data(), static_cast<int>(request.size()));
    const bool has_chunks = day_of(Timestamp{.seconds = asked.date().seconds()}) == plan_.day;
    return std::make_unique<ChunkNames>(has_chunks ? plan_.chunks : 0);
  }

 private:
  const ExportPlan& plan_;
  const std::vector<WireEvent> events_;
  std::atomic<std::uint64_t> next_id_ = 1;
};

}  // namespace

std::string ExportPlan::chunk_name(std::size_t place) { return fmt::format("chunk-{:04}", place); }

Result<void> serve_export(const ExportPlan& plan, const Parent& parent) {
  Service service(plan);
  SLUICE_ASSIGN(const auto server,
                GrpcBytesServer::start(plan.certificates,
                                       [&](std::string_view path, std::string_view request) {
                                         return service.answer(path, request);
                                       }));
  parent.send({{"port", {static_cast<double>(server->port())}}});
  parent.wait();
  return {};
}

}  // namespace sluice::bench
