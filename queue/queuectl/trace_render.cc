#include "queue/queuectl/trace_render.h"

#include <fmt/format.h>

#include <utility>

#include "queue/queuectl/json.h"
#include "queue/queuectl/render.h"

namespace sluice::queue {

std::string trace_table(const Trace& trace) {
  Table table({"LANE", "SEQ", "TIME", "TYPE", "FETCHED", "STATE", "KEPT", "REASON"}, 8);
  for (const TracedEvent& event : trace.events) {
    table.add({std::string(name_of(event.lane)), std::to_string(event.seq),
               format_rfc3339(event.time), event.type,
               format_rfc3339(from_unix_ms(event.fetched_at_ms)), std::string(name_of(event.fate)),
               event.is_kept ? "yes" : "no", event.letter ? event.letter->reason : ""});
  }
  return table.text();
}

std::string trace_json(const Trace& trace, std::string_view id) {
  Json events = Json::array();
  for (const TracedEvent& event : trace.events) {
    Json one{{"lane", name_of(event.lane)},
             {"seq", event.seq},
             {"time", format_rfc3339(event.time)},
             {"type", event.type},
             {"fetched_at", format_rfc3339(from_unix_ms(event.fetched_at_ms))},
             {"state", name_of(event.fate)},
             {"kept", event.is_kept}};
    if (event.letter) {
      one["reason"] = event.letter->reason;
      one["status"] = event.letter->status;
      one["attempts"] = event.letter->attempts;
    }
    events.push_back(std::move(one));
  }
  Json all{{"schema", kSchemaVersion}, {"id", id}, {"events", std::move(events)}};
  if (trace.remembered) all["remembered_from"] = format_rfc3339(*trace.remembered);
  return dump(all) + "\n";
}

std::string absence(const Trace& trace, std::string_view id) {
  if (trace.remembered) {
    return fmt::format(
        "event {} of {} was fetched, and is not in the queue: it was delivered and trimmed (audit "
        "is kept from number {} on), or left out because the configuration says so",
        id, format_rfc3339(*trace.remembered), trace.floor[Lane::kAudit]);
  }
  return fmt::format(
      "there is no event {} in the queue, nor is its id remembered: it was not fetched, or so long "
      "ago that it is forgotten (audit is kept from number {} on, session from {})",
      id, trace.floor[Lane::kAudit], trace.floor[Lane::kSession]);
}

}  // namespace sluice::queue
