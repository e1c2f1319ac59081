#include "queue/queuectl/replay_render.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "queue/queuectl/json.h"
#include "queue/queuectl/render.h"

namespace sluice::queue {
namespace {

std::string finished_share(const ReplayJob& job) {
  const std::uint64_t done = job.progress.sent + job.progress.refused;
  if (job.spec.matched == 0) return "-";
  return fmt::format("{}%", std::min<std::uint64_t>(100, done * 100 / job.spec.matched));
}

std::string who(const ReplaySpec& spec) {
  if (spec.actor.claimed.empty()) return fmt::format("uid {}", spec.actor.uid);
  return fmt::format("uid {} ({})", spec.actor.uid, spec.actor.claimed);
}

std::string rate_text(const ReplaySpec& spec) {
  return spec.rate == 0 ? "no limit" : fmt::format("{}/s", with_thousands(spec.rate));
}

Json event_json(const FoundEvent& event) {
  return Json{{"seq", event.seq},
              {"time", format_rfc3339(event.time)},
              {"type", event.type},
              {"id", event.id}};
}

Json filter_json(const ReplayFilter& filter) {
  return Json{{"from_time", optional_time(filter.from_time)},
              {"to_time", optional_time(filter.to_time)},
              {"types", filter.types},
              {"ids", filter.ids}};
}

std::string trimmed_text(const TrimmedCount& trimmed) {
  if (trimmed.known_from.empty()) return "none";
  return fmt::format("{}{} ({})", trimmed.is_exact ? "" : "at most ", with_thousands(trimmed.count),
                     trimmed.known_from);
}

}  // namespace

std::string scan_text(const ReplayQuestion& question, const ReplayScan& scan) {
  std::string text = fmt::format("lane {}, numbers {} to {}", name_of(question.lane),
                                 scan.asked.first, scan.asked.last);
  const std::string filter = describe(question.filter);
  if (!filter.empty()) text += fmt::format("; {}", filter);
  text += "\n";
  if (scan.is_cut) {
    text += fmt::format("delivered up to {}: later numbers come without a replay\n", scan.position);
  }
  text += fmt::format("to be sent: {} events, {} bytes\n", with_thousands(scan.matched),
                      with_thousands(scan.bytes));
  if (scan.matched > 0) {
    Table table({"", "SEQ", "TIME", "TYPE", "ID"}, 5);
    for (const auto& [name, event] : {std::pair("first", scan.first), {"last", scan.last}}) {
      table.add(
          {name, std::to_string(event.seq), format_rfc3339(event.time), event.type, event.id});
    }
    text += table.text();
  }
  return text + fmt::format("trimmed already: {}\n", trimmed_text(scan.trimmed));
}

std::string scan_json(const ReplayQuestion& question, const ReplayScan& scan) {
  const bool any = scan.matched > 0;
  return dump(Json{{"schema", kSchemaVersion},
                   {"lane", name_of(question.lane)},
                   {"numbers", {{"first", scan.asked.first}, {"last", scan.asked.last}}},
                   {"filter", filter_json(question.filter)},
                   {"position", scan.position},
                   {"floor", scan.floor},
                   {"cut_at_position", scan.is_cut},
                   {"matched", scan.matched},
                   {"bytes", scan.bytes},
                   {"first", any ? event_json(scan.first) : Json(nullptr)},
                   {"last", any ? event_json(scan.last) : Json(nullptr)},
                   {"trimmed",
                    {{"count", scan.trimmed.count},
                     {"exact", scan.trimmed.is_exact},
                     {"known_from", scan.trimmed.known_from}}}}) +
         "\n";
}

std::string replay_text(const ReplayJob& job) {
  const auto& [id, spec, progress] = job;
  std::string text =
      fmt::format("replay {}   {}   lane {}, numbers {} to {}\n", id, name_of(progress.state),
                  name_of(spec.lane), spec.numbers.first, spec.numbers.last);
  if (const std::string filter = describe(spec.filter); !filter.empty()) {
    text += fmt::format("  filter    {}\n", filter);
  }
  text += fmt::format("  sent      {} of {} events ({}), {} bytes, up to number {}\n",
                      with_thousands(progress.sent), with_thousands(spec.matched),
                      finished_share(job), with_thousands(progress.sent_bytes), progress.position);
  if (progress.refused > 0) {
    text += fmt::format("  refused   {}, the first: {}; the last: {}\n",
                        with_thousands(progress.refused), fmt::join(progress.refused_numbers, ", "),
                        progress.refusal);
  }
  if (spec.trimmed > 0) {
    text += fmt::format("  trimmed   {} numbers before it began\n", with_thousands(spec.trimmed));
  }
  text += fmt::format("  rate      {}{}\n", rate_text(spec), spec.mark ? ", marked" : "");
  text +=
      fmt::format("  started   {} by {}: {}\n", format_rfc3339(from_unix_ms(spec.created_at_ms)),
                  who(spec), spec.actor.reason);
  text += fmt::format("  changed   {}\n", format_rfc3339(from_unix_ms(progress.changed_at_ms)));
  if (!progress.remark.empty()) text += fmt::format("  remark    {}\n", progress.remark);
  return text;
}

std::string replay_json(const ReplayJob& job) {
  const auto& [id, spec, progress] = job;
  return dump(Json{{"schema", kSchemaVersion},
                   {"id", id},
                   {"state", name_of(progress.state)},
                   {"lane", name_of(spec.lane)},
                   {"numbers", {{"first", spec.numbers.first}, {"last", spec.numbers.last}}},
                   {"filter", filter_json(spec.filter)},
                   {"rate", spec.rate},
                   {"mark", spec.mark},
                   {"matched", spec.matched},
                   {"matched_bytes", spec.matched_bytes},
                   {"trimmed", spec.trimmed},
                   {"sent", progress.sent},
                   {"sent_bytes", progress.sent_bytes},
                   {"refused", progress.refused},
                   {"refused_numbers", progress.refused_numbers},
                   {"refusal", progress.refusal},
                   {"position", progress.position},
                   {"end", progress.last},
                   {"remark", progress.remark},
                   {"uid", spec.actor.uid},
                   {"claimed_by", spec.actor.claimed},
                   {"reason", spec.actor.reason},
                   {"created_at", format_rfc3339(from_unix_ms(spec.created_at_ms))},
                   {"changed_at", format_rfc3339(from_unix_ms(progress.changed_at_ms))}}) +
         "\n";
}

std::string progress_line(const ReplayJob& job) {
  return fmt::format("replay {}: {} of {} events sent", job.id, with_thousands(job.progress.sent),
                     with_thousands(job.spec.matched));
}

std::string replays_table(const std::vector<ReplayJob>& jobs) {
  Table table({"ID", "LANE", "STATE", "NUMBERS", "BY", "sent", "of", "done", "refused", "rate"}, 5);
  for (const ReplayJob& job : jobs) {
    const auto& [id, spec, progress] = job;
    table.add({std::to_string(id), std::string(name_of(spec.lane)),
               std::string(name_of(progress.state)),
               fmt::format("{}..{}", spec.numbers.first, spec.numbers.last), who(spec),
               with_thousands(progress.sent), with_thousands(spec.matched), finished_share(job),
               with_thousands(progress.refused), rate_text(spec)});
  }
  return table.text();
}

std::string jobs_lines(const std::vector<ReplayJob>& jobs) {
  std::string text;
  std::size_t active = 0;
  for (const ReplayJob& job : jobs) {
    if (!job.is_active()) continue;
    const auto& [id, spec, progress] = job;
    text += fmt::format("{:<6} replay {}  {} {}..{}  {} of {}, {}{}  by {} \"{}\"\n",
                        active == 0 ? "JOBS" : "", id, name_of(spec.lane), spec.numbers.first,
                        spec.numbers.last, finished_share(job), with_thousands(spec.matched),
                        rate_text(spec), active < kReplaysAtOnce ? "" : ", waits for its turn",
                        who(spec), spec.actor.reason);
    ++active;
  }
  return text;
}

}  // namespace sluice::queue
