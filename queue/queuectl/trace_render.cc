#include "queue/queuectl/trace_render.h"

#include <fmt/format.h>

#include <utility>

#include "queue/queuectl/json.h"
#include "queue/queuectl/render.h"

namespace sluice::queue {
namespace {

std::string why(const TracedEvent& event) {
  std::string text = event.letter ? event.letter->reason : "";
  if (!event.intervention) return text;
  const Intervention& one = *event.intervention;
  if (!text.empty()) text += "; ";
  if (one.kind == InterventionKind::kRequeueAsked) text += "to be sent again, ";
  return text +
         fmt::format("{} by uid {}{}: {}", format_rfc3339(from_unix_ms(one.at_ms)), one.actor.uid,
                     one.actor.claimed.empty() ? "" : fmt::format(" ({})", one.actor.claimed),
                     one.actor.reason);
}

// Of a trimmed record it is not known any more.
std::string fetched_at(const TracedEvent& event) {
  return event.fetched_at_ms == 0 ? "-" : format_rfc3339(from_unix_ms(event.fetched_at_ms));
}

}  // namespace

std::string trace_table(const Trace& trace) {
  Table table({"LANE", "SEQ", "TIME", "TYPE", "FETCHED", "STATE", "KEPT", "REASON"}, 8);
  for (const TracedEvent& event : trace.events) {
    table.add({std::string(name_of(event.lane)), std::to_string(event.seq),
               format_rfc3339(event.time), event.type, fetched_at(event),
               std::string(name_of(event.fate)), event.is_kept ? "yes" : "no", why(event)});
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
             {"fetched_at", event.fetched_at_ms == 0
                                ? Json(nullptr)
                                : Json(format_rfc3339(from_unix_ms(event.fetched_at_ms)))},
             {"state", name_of(event.fate)},
             {"kept", event.is_kept}};
    if (event.letter) {
      one["reason"] = event.letter->reason;
      one["status"] = event.letter->status;
      one["attempts"] = event.letter->attempts;
    }
    if (event.intervention) {
      const Intervention& done = *event.intervention;
      one["by_hand"] = Json{{"what", name_of(done.kind)},
                            {"at", format_rfc3339(from_unix_ms(done.at_ms))},
                            {"uid", done.actor.uid},
                            {"claimed_by", done.actor.claimed},
                            {"reason", done.actor.reason}};
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
