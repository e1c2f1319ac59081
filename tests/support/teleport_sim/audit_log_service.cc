#include "tests/support/teleport_sim/audit_log_service.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/time.h"
#include "tests/support/teleport_sim/chunk_twin.h"
#include "tests/support/teleport_sim/message_stream.h"
#include "tests/support/teleport_sim/page_builder.h"
#include "tests/support/teleport_sim/page_key.h"
#include "tests/support/teleport_sim/page_shape.h"

namespace sluice::teleport_sim {
namespace {

namespace auditlog = teleport::auditlog::v1;

constexpr int kLimitMax = 10'000;
constexpr std::size_t kTwiceEach = 11;  // with duplicates on, every so many events of a chunk

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
std::optional<std::size_t> first_ordinal(std::string_view cursor, const std::string& prefix) {
  if (cursor.empty()) return 0;
  if (!cursor.starts_with(prefix)) return std::nullopt;
  cursor.remove_prefix(prefix.size());
  std::size_t ordinal = 0;
  const auto [end, status] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), ordinal);
  if (status != std::errc() || end != cursor.data() + cursor.size()) return std::nullopt;
  return ordinal + 1;
}

// Before everything else in the window.
Place start_of(const Window& window) { return window.after.value_or(Place{window.from, ""}); }

}  // namespace

std::optional<grpc::Status> AuditLogService::begin(const char* method, bool is_denied,
                                                   const char* verb, const char* resource) {
  simulation_.statistics.count_call(method);
  if (auto status = simulation_.faults.take_for_call()) return status;
  if (is_denied) return denied(verb, resource);
  return std::nullopt;
}

grpc::Status AuditLogService::refuse_key(const char* why) {
  simulation_.statistics.count_refused_key();
  return {grpc::StatusCode::INVALID_ARGUMENT, why};
}

grpc::Status AuditLogService::GetEventExportChunks(
    grpc::ServerContext* context, const auditlog::GetEventExportChunksRequest* request,
    grpc::ServerWriter<auditlog::EventExportChunk>* writer) {
  if (auto ended =
          begin("GetEventExportChunks", simulation_.faults.events_denied, "list", "event")) {
    return *ended;
  }
  if (simulation_.faults.export_unimplemented) return export_unimplemented();
  const Day day = day_of(to_timestamp(request->date()));
  MessageStream stream(context, writer, &simulation_.faults, FaultTarget::kChunks);
  std::vector<std::string> names = simulation_.catalog.chunk_names(day, simulation_.now());
  if (simulation_.faults.duplicates) add_twins(&names);
  for (std::string& name : names) {
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
  if (auto ended =
          begin("ExportUnstructuredEvents", simulation_.faults.events_denied, "list", "event")) {
    return *ended;
  }
  if (simulation_.faults.export_unimplemented) return export_unimplemented();
  const Day day = day_of(to_timestamp(request->date()));
  const auto chunk =
      simulation_.catalog.find_chunk(day, chunk_behind(request->chunk()), simulation_.now());
  if (chunk == nullptr) {
    return {grpc::StatusCode::NOT_FOUND,
            fmt::format("event chunk \"{}\" not found", request->chunk())};
  }
  const auto first = first_ordinal(request->cursor(), simulation_.faults.cursor_prefix());
  if (!first) return refuse_key("unsupported cursor format");
  MessageStream stream(context, writer, &simulation_.faults, FaultTarget::kExport);
  const std::string source = format_day(day) + "/" + request->chunk();
  const std::string prefix = simulation_.faults.cursor_prefix();
  for (std::size_t ordinal = *first; ordinal < chunk->entries.size(); ++ordinal) {
    if (auto status = stream.must_end()) return *status;
    const Entry& entry = chunk->entries[ordinal];
    const Event event = simulation_.maker.audit_event(entry, simulation_.catalog.sid_of(entry));
    auditlog::ExportEventUnstructured message;
    to_message(event, message.mutable_event());
    message.set_cursor(fmt::format("{}{}", prefix, ordinal));
    simulation_.record.note_chunk_event(source, ordinal, event);
    const bool twice = simulation_.faults.duplicates && ordinal % kTwiceEach == 0;
    simulation_.statistics.count_sent(twice ? 2 : 1);
    if (twice && !stream.write(message)) return grpc::Status::CANCELLED;
    if (!stream.write(message)) return grpc::Status::CANCELLED;
  }
  return stream.end();
}

grpc::Status AuditLogService::GetUnstructuredEvents(
    grpc::ServerContext* context, const auditlog::GetUnstructuredEventsRequest* request,
    auditlog::EventsUnstructured* response) {
  if (auto ended =
          begin("GetUnstructuredEvents", simulation_.faults.events_denied, "list", "event")) {
    return *ended;
  }
  if (request->limit() > kLimitMax) {
    return {grpc::StatusCode::INVALID_ARGUMENT, fmt::format("limit is above {}", kLimitMax)};
  }
  const std::string backend =
      fmt::format("{}/{}/{}", simulation_.maker.cluster(), simulation_.maker.seed(),
                  simulation_.faults.cursor_prefix());
  Window window{to_timestamp(request->start_date()), to_timestamp(request->end_date()),
                request->order() == auditlog::ORDER_ASCENDING, std::nullopt};
  if (!request->start_key().empty()) {
    window.after = read_page_key(*request, backend);
    if (!window.after) return refuse_key("invalid key format");
  }
  if (!wait_unless_cancelled(*context, simulation_.faults.delay_ms)) return grpc::Status::CANCELLED;
  if (auto status = simulation_.faults.take_for_page()) return *status;
  const std::uint64_t page = simulation_.faults.next_page();
  const bool edges = simulation_.faults.page_edges && window.ascending;
  const PageShape shape = edges ? PageShape::of_page(page) : PageShape{};
  PageBuilder builder(*request, start_of(window), shape, simulation_, response);
  simulation_.catalog.search(
      window, simulation_.now(),
      [&](const Entry& entry, const std::string& sid) { return builder.add(entry, sid); });
  if (const auto last = builder.go_on_behind()) {
    response->set_last_key(make_page_key(*request, backend, *last, page));
  }
  simulation_.statistics.count_sent(static_cast<std::uint64_t>(response->items_size()));
  return grpc::Status::OK;
}

grpc::Status AuditLogService::StreamUnstructuredSessionEvents(
    grpc::ServerContext* context, const auditlog::StreamUnstructuredSessionEventsRequest* request,
    grpc::ServerWriter<auditlog::EventUnstructured>* writer) {
  if (auto ended = begin("StreamUnstructuredSessionEvents", simulation_.faults.sessions_denied,
                         "read", "session")) {
    return *ended;
  }
  const Statistics::OpenStream open(&simulation_.statistics);
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
