#include "tests/bench/stock_fetch.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/files.h"
#include "fetcher/source/bulk_state.h"
#include "teleport/auditlog/v1/auditlog.grpc.pb.h"

namespace sluice::bench {
namespace {

namespace auditlog = teleport::auditlog::v1;

constexpr std::size_t kPemBytesMax = 1U << 16;

Error failed(const char* what, const grpc::Status& status) {
  return Error{ErrorKind::kUnavailable,
               fmt::format("the stock path cannot {}: {}", what, status.error_message())};
}

void set(google::protobuf::Timestamp* date, Day day) {
  date->set_seconds(start_of_day(day).seconds);
}

// Nothing: it cannot be written as JSON.
std::optional<fetcher::Item> item_of(const auditlog::ExportEventUnstructured& message,
                                     const std::string& key) {
  const auditlog::EventUnstructured& received = message.event();
  fetcher::Event event;
  if (!google::protobuf::util::MessageToJsonString(received.unstructured(), &event.json).ok()) {
    return std::nullopt;
  }
  event.id = received.id();
  event.type = received.type();
  event.time.seconds = received.time().seconds();
  event.time.nanos = static_cast<std::uint32_t>(received.time().nanos());
  event.index = received.index();
  fetcher::Item item;
  item.content = std::move(event);
  item.cursor = fetcher::StateChange{key, fetcher::encode_chunk_cursor(message.cursor())};
  return item;
}

}  // namespace

struct StockFetch::Impl {
  Result<std::vector<std::string>> list(Day day) const {
    grpc::ClientContext context;
    auditlog::GetEventExportChunksRequest request;
    set(request.mutable_date(), day);
    const auto reader = stub->GetEventExportChunks(&context, request);
    std::vector<std::string> names;
    auditlog::EventExportChunk chunk;
    while (reader->Read(&chunk)) names.push_back(chunk.chunk());
    if (const grpc::Status status = reader->Finish(); !status.ok()) {
      return fail(failed("list chunks", status));
    }
    return names;
  }

  Result<void> read_chunk(Day day, const std::string& name, fetcher::LaneBuffers* buffers,
                          const std::stop_token& stop) const {
    grpc::ClientContext context;
    auditlog::ExportUnstructuredEventsRequest request;
    set(request.mutable_date(), day);
    request.set_chunk(name);
    const std::string key = fetcher::chunk_key(day, name);
    const auto reader = stub->ExportUnstructuredEvents(&context, request);
    auditlog::ExportEventUnstructured message;
    while (reader->Read(&message)) {
      auto item = item_of(message, key);
      if (!item || !buffers->push(std::move(*item), stop)) {
        return fail(ErrorKind::kInternal, "the stock path cannot pass an event on");
      }
    }
    if (const grpc::Status status = reader->Finish(); !status.ok()) {
      return fail(failed("read a chunk", status));
    }
    return {};
  }

  std::unique_ptr<auditlog::AuditLogService::Stub> stub;
};

StockFetch::StockFetch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StockFetch::StockFetch(StockFetch&&) noexcept = default;
StockFetch::~StockFetch() = default;

Result<StockFetch> StockFetch::connect(int port, const std::filesystem::path& certificates) {
  grpc::SslCredentialsOptions tls;
  SLUICE_ASSIGN(tls.pem_root_certs, read_file(certificates / "host-ca.crt", kPemBytesMax));
  SLUICE_ASSIGN(tls.pem_private_key, read_file(certificates / "client.key", kPemBytesMax));
  SLUICE_ASSIGN(tls.pem_cert_chain, read_file(certificates / "client.crt", kPemBytesMax));
  auto impl = std::make_unique<Impl>();
  impl->stub = auditlog::AuditLogService::NewStub(
      grpc::CreateChannel(fmt::format("127.0.0.1:{}", port), grpc::SslCredentials(tls)));
  return StockFetch(std::move(impl));
}

Result<void> StockFetch::read(Day day, std::size_t chunks, fetcher::LaneBuffers* buffers,
                              const std::stop_token& stop) {
  SLUICE_ASSIGN(const std::vector<std::string> names, impl_->list(day));
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  Result<void> outcome;
  const auto work = [&] {
    for (std::size_t i = next++; i < std::min(chunks, names.size()); i = next++) {
      const auto done = impl_->read_chunk(day, names[i], buffers, stop);
      const std::lock_guard lock(mutex);
      if (!done && outcome) outcome = done;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back(work);
  }
  return outcome;
}

}  // namespace sluice::bench
