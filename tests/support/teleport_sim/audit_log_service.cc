#include "tests/support/teleport_sim/audit_log_service.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "common/time.h"
#include "tests/support/teleport_sim/message_stream.h"
#include "tests/support/teleport_sim/page_key.h"

namespace sluice::teleport_sim {
namespace {

namespace auditlog = teleport::auditlog::v1;

constexpr std::string_view kCursorPrefix = "a1:";
constexpr std::size_t kPageBytesMax = std::size_t{1} << 20;
constexpr int kLimitDefault = 500;
constexpr int kLimitMax = 10'000;

Timestamp to_timestamp(const google::protobuf::Timestamp& time) {
  return {time.seconds(), static_cast<std::uint32_t>(time.nanos())};
}

grpc::Status export_unimplemented() {
  return {grpc::StatusCode::UNIMPLEMENTED, "this audit backend does not support bulk export"};
}

// As Teleport says it, with the right that is missing.
grpc::Status denied(const char* verb, const char* resource) {
  return {grpc::StatusCode::PERMISSION_DENIED,
          fmt::format("access denied to perform action \"{}\" on \"{}\"", verb, resource)};
}

// The ordinal of the first event to send, or nothing for a cursor that was never given out.
std::optional<std::size_t> first_ordinal(std::string_view cursor) {
  if (cursor.empty()) return 0;
  if (!cursor.starts_with(kCursorPrefix)) return std::nullopt;
  cursor.remove_prefix(kCursorPrefix.size());
  std::size_t ordinal = 0;
  const auto [end, status] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), ordinal);
  if (status != std::errc() || end != cursor.data() + cursor.size()) return std::nullopt;
  return ordinal + 1;
}

// Collects events until the page is full.
class PageBuilder {
 public:
  PageBuilder(const auditlog::GetUnstructuredEventsRequest& request, const Simulation& simulation,
              auditlog::EventsUnstructured* page)
      : limit_(request.limit() <= 0 ? kLimitDefault : request.limit()),
        types_(request.event_types().begin(), request.event_types().end()),
        simulation_(simulation),
        page_(*page) {}

  // False when the entry has no place on this page any more.
  bool add(const Entry& entry, const std::string& sid) {
    if (!types_.empty() && !types_.contains(simulation_.maker.audit_type(entry))) return true;
    if (page_.items_size() >= limit_) return more();
    const Event event = simulation_.maker.audit_event(entry, sid);
    auditlog::EventUnstructured item;
    to_message(event, &item);
    bytes_ += item.ByteSizeLong();
    if (bytes_ > kPageBytesMax && page_.items_size() > 0) return more();
    simulation_.record.note_search_event(event);
    last_ = Place{event.time, event.id};
    *page_.add_items() = std::move(item);
    return true;
  }

  // The last event of a page behind which there is more.
  std::optional<Place> go_on_behind() const { return has_more_ ? last_ : std::nullopt; }

 private:
  bool more() {
    has_more_ = true;
    return false;
  }

  const int limit_;
  const std::unordered_set<std::string> types_;
  const Simulation& simulation_;
  auditlog::EventsUnstructured& page_;
  std::size_t bytes_ = 0;
  std::optional<Place> last_;
  bool has_more_ = false;
};

}  // namespace

Timestamp Simulation::now() const {
  const std::int64_t frozen_ms = faults.frozen_at_ms;
  return frozen_ms == 0 ? system_clock().now() : from_unix_ms(frozen_ms);
}

grpc::Status AuditLogService::GetEventExportChunks(
    grpc::ServerContext* context, const auditlog::GetEventExportChunksRequest* request,
    grpc::ServerWriter<auditlog::EventExportChunk>* writer) {
  simulation_.statistics.count_call("GetEventExportChunks");
  if (simulation_.faults.events_denied) return denied("list", "event");
  if (simulation_.faults.export_unimplemented) return export_unimplemented();
  const Day day = day_of(to_timestamp(request->date()));
  MessageStream stream(context, writer, &simulation_.faults, FaultTarget::kChunks);
  for (std::string& name : simulation_.catalog.chunk_names(day, simulation_.now())) {
    if (auto status = stream.must_end()) return *status;
    auditlog::EventExportChunk chunk;
    chunk.set_chunk(std::move(name));
    if (!stream.write(chunk)) return grpc::Status::CANCELLED;
  }
  return stream.end();
}

grpc::Status AuditLogService::ExportUnstructuredEvents(
    grpc::ServerContext* context, const auditlog::ExportUnstructuredEventsRequest* request,
    grpc::ServerWriter<auditlog::ExportEventUnstructured>* writer) {
  simulation_.statistics.count_call("ExportUnstructuredEvents");
  if (simulation_.faults.events_denied) return denied("list", "event");
  if (simulation_.faults.export_unimplemented) return export_unimplemented();
  const Day day = day_of(to_timestamp(request->date()));
  const auto chunk = simulation_.catalog.find_chunk(day, request->chunk(), simulation_.now());
  if (chunk == nullptr) {
    return {grpc::StatusCode::NOT_FOUND,
            fmt::format("event chunk \"{}\" not found", request->chunk())};
  }
  const auto first = first_ordinal(request->cursor());
  if (!first) return {grpc::StatusCode::INVALID_ARGUMENT, "unsupported cursor format"};
  MessageStream stream(context, writer, &simulation_.faults, FaultTarget::kExport);
  const std::string source = format_day(day) + "/" + chunk->name;
  for (std::size_t ordinal = *first; ordinal < chunk->entries.size(); ++ordinal) {
    if (auto status = stream.must_end()) return *status;
    const Entry& entry = chunk->entries[ordinal];
    const Event event = simulation_.maker.audit_event(entry, simulation_.catalog.sid_of(entry));
    auditlog::ExportEventUnstructured message;
    to_message(event, message.mutable_event());
    message.set_cursor(fmt::format("{}{}", kCursorPrefix, ordinal));
    simulation_.record.note_chunk_event(source, ordinal, event);
    simulation_.statistics.count_sent(1);
    if (!stream.write(message)) return grpc::Status::CANCELLED;
  }
  return stream.end();
}

grpc::Status AuditLogService::GetUnstructuredEvents(
    grpc::ServerContext* context, const auditlog::GetUnstructuredEventsRequest* request,
    auditlog::EventsUnstructured* response) {
  simulation_.statistics.count_call("GetUnstructuredEvents");
  if (simulation_.faults.events_denied) return denied("list", "event");
  if (request->limit() > kLimitMax) {
    return {grpc::StatusCode::INVALID_ARGUMENT, fmt::format("limit is above {}", kLimitMax)};
  }
  const std::string backend =
      fmt::format("{}/{}", simulation_.maker.cluster(), simulation_.maker.seed());
  Window window{to_timestamp(request->start_date()), to_timestamp(request->end_date()),
                request->order() == auditlog::ORDER_ASCENDING, std::nullopt};
  if (!request->start_key().empty()) {
    window.after = read_page_key(*request, backend);
    if (!window.after) return {grpc::StatusCode::INVALID_ARGUMENT, "invalid key format"};
  }
  if (!wait_unless_cancelled(*context, simulation_.faults.delay_ms)) return grpc::Status::CANCELLED;
  if (auto status = simulation_.faults.take_for_page()) return *status;
  PageBuilder builder(*request, simulation_, response);
  simulation_.catalog.search(
      window, simulation_.now(),
      [&](const Entry& entry, const std::string& sid) { return builder.add(entry, sid); });
  if (const auto last = builder.go_on_behind()) {
    response->set_last_key(make_page_key(*request, backend, *last));
  }
  simulation_.statistics.count_sent(static_cast<std::uint64_t>(response->items_size()));
  return grpc::Status::OK;
}

grpc::Status AuditLogService::StreamUnstructuredSessionEvents(
    grpc::ServerContext* context, const auditlog::StreamUnstructuredSessionEventsRequest* request,
    grpc::ServerWriter<auditlog::EventUnstructured>* writer) {
  simulation_.statistics.count_call("StreamUnstructuredSessionEvents");
  if (simulation_.faults.sessions_denied) return denied("read", "session");
  const auto session = simulation_.catalog.find_session(request->session_id(), simulation_.now());
  if (!session || simulation_.faults.recordings_hidden) {
    return {grpc::StatusCode::NOT_FOUND,
            fmt::format("recording of session \"{}\" not found", request->session_id())};
  }
  MessageStream stream(context, writer, &simulation_.faults, FaultTarget::kSession);
  const auto first = static_cast<std::uint32_t>(std::max(0, request->start_index()));
  for (std::uint32_t ordinal = 0; ordinal < session->events; ++ordinal) {
    const Event event = simulation_.maker.recording_event(*session, ordinal);
    if (event.index < first) continue;
    if (auto status = stream.must_end()) return *status;
    auditlog::EventUnstructured message;
    to_message(event, &message);
    simulation_.record.note_recording_event(session->sid, ordinal, event);
    simulation_.statistics.count_sent(1);
    if (!stream.write(message)) return grpc::Status::CANCELLED;
  }
  return stream.end();
}

}  // namespace sluice::teleport_sim
