#include "fetcher/teleport/client.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "fetcher/teleport/call_channel.h"
#include "fetcher/teleport/connection.h"
#include "fetcher/teleport/rate_limit.h"
#include "fetcher/teleport/raw_call.h"
#include "fetcher/teleport/teleport_channel.h"
#include "fetcher/transcode/wire_reader.h"
#include "teleport/auditlog/v1/auditlog.pb.h"
#include "teleport/legacy/client/proto/authservice.pb.h"
#include "teleport/legacy/types/types.pb.h"

namespace sluice::fetcher {

namespace {

// Of calls of one kind.
struct CallCounter {
  std::atomic<std::uint64_t> begun = 0;
  std::atomic<std::uint64_t> failed = 0;
};

// In this order they are in the metrics.
constexpr std::array<std::string_view, 6> kCallNames = {"ping",   "list_chunks",    "export_chunk",
                                                        "search", "stream_session", "lock"};
enum class CallKind : std::uint8_t { kPing, kListChunks, kExport, kSearch, kStreamSession, kLock };

}  // namespace

struct TeleportClient::Impl {
  Impl(std::unique_ptr<Connection> made, const TeleportConfig& config, const Clock& clock)
      : connection(std::move(made)), limit(config.requests_per_second_max, clock) {}
  std::unique_ptr<Connection> connection;
  RateLimit limit;
  std::array<CallCounter, kCallNames.size()> counters;
};

namespace {

namespace auditlog = teleport::auditlog::v1;

// Storage that Teleport has to ask first (Athena) takes its time, so these are long.
constexpr std::chrono::milliseconds kPingMax{10'000};
constexpr std::chrono::milliseconds kListSilenceMax{120'000};
constexpr std::chrono::milliseconds kSearchMax{180'000};
constexpr std::chrono::milliseconds kStreamSilenceMax{300'000};

// A call that Teleport offers.
struct Method {
  CallKind kind;
  const char* path;
  std::chrono::milliseconds silence_max;  // before the next message
  const char* rule;                       // that a role of our user must have; nullptr: none
};

constexpr const char* kListEvents = "{resources: [event], verbs: [list]}";
constexpr const char* kReadSessions = "{resources: [session], verbs: [read]}";

constexpr Method kPing{CallKind::kPing, "/proto.AuthService/Ping", kPingMax, nullptr};
constexpr Method kListChunks{CallKind::kListChunks,
                             "/teleport.auditlog.v1.AuditLogService/GetEventExportChunks",
                             kListSilenceMax, kListEvents};
constexpr Method kExport{CallKind::kExport,
                         "/teleport.auditlog.v1.AuditLogService/ExportUnstructuredEvents",
                         kStreamSilenceMax, kListEvents};
constexpr Method kSearch{CallKind::kSearch,
                         "/teleport.auditlog.v1.AuditLogService/GetUnstructuredEvents", kSearchMax,
                         kListEvents};
constexpr Method kLock{CallKind::kLock, "/proto.AuthService/UpsertLock", kPingMax,
                       "{resources: [lock], verbs: [create, update]}"};
constexpr Method kStreamSession{
    CallKind::kStreamSession,
    "/teleport.auditlog.v1.AuditLogService/StreamUnstructuredSessionEvents", kStreamSilenceMax,
    kReadSessions};

// Fields of ExportEventUnstructured, and of EventsUnstructured: the two have the same shape.
constexpr std::uint32_t kEvent = 1;
constexpr std::uint32_t kCursor = 2;

void set(google::protobuf::Timestamp* message, Timestamp time) {
  message->set_seconds(time.seconds);
  message->set_nanos(static_cast<std::int32_t>(time.nanos));
}

Error malformed(std::string_view what) {
  return Error{ErrorKind::kUnavailable,
               fmt::format("cannot {}: Teleport's answer is not well-formed protobuf", what)};
}

// A call, and the words for its failures.
class Stream {
 public:
  Stream(TeleportClient::Impl* client, std::string what, const Method& method, std::string request,
         std::stop_token stop)
      : client_(*client),
        what_(std::move(what)),
        method_(method),
        request_(std::move(request)),
        stop_(std::move(stop)) {}

  Result<std::optional<std::string_view>> next() {
    if (stop_.stop_requested()) {
      return fail(ErrorKind::kStopped, fmt::format("asked to stop, so did not {}", what_));
    }
    if (!call_) SLUICE_TRY(begin());
    auto message = call_->next();
    if (!message) {
      if (!stop_.stop_requested()) ++counter().failed;
      return fail(
          client_.connection->explain(message.error(), channel_, what_, method_.rule, stop_));
    }
    return *message;
  }

  // The one answer of a unary call.
  Result<std::string_view> only() {
    SLUICE_ASSIGN(const auto message, next());
    if (!message) {
      return fail(ErrorKind::kUnavailable, fmt::format("cannot {}: no answer came", what_));
    }
    return *message;
  }

  const std::string& what() const { return what_; }

 private:
  Result<void> begin() {
    if (!client_.limit.wait(stop_)) {
      return fail(ErrorKind::kStopped, fmt::format("asked to stop, so did not {}", what_));
    }
    ++counter().begun;
    auto channel = client_.connection->channel(stop_);
    if (!channel) {
      if (channel.error().kind != ErrorKind::kStopped) ++counter().failed;
      return fail(channel.error().kind,
                  fmt::format("cannot {}: {}", what_, channel.error().message));
    }
    channel_ = std::move(*channel);
    call_.emplace(std::shared_ptr<CallChannel>(channel_, &channel_->calls()), method_.path,
                  std::move(request_), method_.silence_max, stop_);
    return {};
  }

  CallCounter& counter() { return client_.counters[static_cast<std::size_t>(method_.kind)]; }

  TeleportClient::Impl& client_;
  const std::string what_;
  const Method& method_;
  std::string request_;
  const std::stop_token stop_;
  std::shared_ptr<TeleportChannel> channel_;
  std::optional<RawCall> call_;
};

class ChunkStream final : public ExportStream {
 public:
  explicit ChunkStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

  Result<std::optional<ExportItem>> next() override {
    SLUICE_ASSIGN(const auto message, stream_->next());
    if (!message) return std::nullopt;
    WireReader reader(*message);
    WireField field;
    ExportItem item;
    while (reader.next(&field)) {
      if (field.is(kEvent, WireType::kBytes)) item.event = field.bytes;
      if (field.is(kCursor, WireType::kBytes)) item.cursor = field.bytes;
    }
    if (!reader.ok()) return fail(malformed(stream_->what()));
    return item;
  }

 private:
  std::unique_ptr<Stream> stream_;
};

class RecordingStream final : public SessionStream {
 public:
  explicit RecordingStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  Result<std::optional<std::string_view>> next() override { return stream_->next(); }

 private:
  std::unique_ptr<Stream> stream_;
};

}  // namespace

TeleportClient::TeleportClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TeleportClient::~TeleportClient() = default;

Result<std::unique_ptr<TeleportClient>> TeleportClient::create(const TeleportConfig& config,
                                                               const Clock& clock) {
  SLUICE_ASSIGN(auto connection, Connection::create(config, clock));
  return std::unique_ptr<TeleportClient>(
      new TeleportClient(std::make_unique<Impl>(std::move(connection), config, clock)));
}

std::string TeleportClient::way() const { return impl_->connection->way(); }

std::vector<CallCount> TeleportClient::calls() const {
  std::vector<CallCount> counts;
  for (std::size_t i = 0; i < kCallNames.size(); ++i) {
    const CallCounter& counter = impl_->counters[i];
    counts.push_back({.name = kCallNames[i], .begun = counter.begun, .failed = counter.failed});
  }
  return counts;
}

Result<std::string> TeleportClient::ping(std::stop_token stop) {
  Stream stream(impl_.get(), "ask for the cluster's name", kPing,
                ::proto::PingRequest().SerializeAsString(), stop);
  SLUICE_ASSIGN(const std::string_view answer, stream.only());
  ::proto::PingResponse response;
  if (!response.ParseFromArray(answer.data(), static_cast<int>(answer.size()))) {
    return fail(malformed(stream.what()));
  }
  impl_->connection->note_cluster(response.cluster_name());
  return response.cluster_name();
}

Result<std::vector<std::string>> TeleportClient::list_chunks(Day day, std::stop_token stop) {
  auditlog::GetEventExportChunksRequest request;
  set(request.mutable_date(), start_of_day(day));
  Stream stream(impl_.get(), fmt::format("list the chunks of {}", format_day(day)), kListChunks,
                request.SerializeAsString(), stop);
  std::vector<std::string> chunks;
  while (true) {
    SLUICE_ASSIGN(const auto message, stream.next());
    if (!message) return chunks;
    auditlog::EventExportChunk chunk;
    if (!chunk.ParseFromArray(message->data(), static_cast<int>(message->size()))) {
      return fail(malformed(stream.what()));
    }
    chunks.push_back(chunk.chunk());
  }
}

std::unique_ptr<ExportStream> TeleportClient::export_chunk(Day day, const std::string& chunk,
                                                           const std::string& cursor,
                                                           std::stop_token stop) {
  auditlog::ExportUnstructuredEventsRequest request;
  set(request.mutable_date(), start_of_day(day));
  request.set_chunk(chunk);
  request.set_cursor(cursor);
  return std::make_unique<ChunkStream>(std::make_unique<Stream>(
      impl_.get(), fmt::format("export chunk {} of {}", chunk, format_day(day)), kExport,
      request.SerializeAsString(), stop));
}

Result<SearchPage> TeleportClient::search(const SearchRequest& request, std::stop_token stop) {
  auditlog::GetUnstructuredEventsRequest message;
  message.set_namespace_("default");
  set(message.mutable_start_date(), request.from);
  set(message.mutable_end_date(), request.to);
  for (const std::string& type : request.types) message.add_event_types(type);
  message.set_limit(static_cast<std::int32_t>(request.limit));
  message.set_start_key(request.start_key);
  message.set_order(auditlog::ORDER_ASCENDING);
  auto stream = std::make_shared<Stream>(
      impl_.get(), fmt::format("search for events from {} on", format_rfc3339(request.from)),
      kSearch, message.SerializeAsString(), stop);
  SLUICE_ASSIGN(const std::string_view answer, stream->only());
  SearchPage page;
  WireReader reader(answer);
  WireField field;
  while (reader.next(&field)) {
    if (field.is(kEvent, WireType::kBytes)) page.events.push_back(field.bytes);
    if (field.is(kCursor, WireType::kBytes)) page.last_key = field.bytes;
  }
  if (!reader.ok()) return fail(malformed(stream->what()));
  page.owner = std::move(stream);
  return page;
}

std::unique_ptr<SessionStream> TeleportClient::stream_session(const std::string& sid,
                                                              std::int32_t start_index,
                                                              std::stop_token stop) {
  auditlog::StreamUnstructuredSessionEventsRequest request;
  request.set_session_id(sid);
  request.set_start_index(start_index);
  return std::make_unique<RecordingStream>(
      std::make_unique<Stream>(impl_.get(), fmt::format("stream the recording of session {}", sid),
                               kStreamSession, request.SerializeAsString(), stop));
}

Result<void> TeleportClient::lock(const LockRequest& request, std::stop_token stop) {
  types::LockV2 lock;
  lock.set_kind("lock");
  lock.set_version("v2");
  lock.mutable_metadata()->set_name(request.name);
  types::LockSpecV2& spec = *lock.mutable_spec();
  spec.mutable_target()->set_user(request.user);
  spec.mutable_target()->set_login(request.login);
  spec.set_message(request.message);
  if (request.expires) set(spec.mutable_expires(), *request.expires);
  Stream stream(impl_.get(), fmt::format("lock user {}", request.user), kLock,
                lock.SerializeAsString(), stop);
  SLUICE_TRY(stream.only());
  return {};
}

}  // namespace sluice::fetcher
