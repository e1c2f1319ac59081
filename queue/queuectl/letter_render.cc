#include "queue/queuectl/letter_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "common/base64.h"
#include "common/printable.h"
#include "queue/disk_limits.h"
#include "queue/queuectl/render.h"

namespace sluice::queue {
namespace {

constexpr std::size_t kReasonsShown = 20;
constexpr std::size_t kReasonsInStatus = 3;

std::string age(std::int64_t at_ms, Timestamp now) {
  return format_duration(
      std::chrono::milliseconds(std::max<std::int64_t>(0, to_unix_ms(now) - at_ms)));
}

std::string time_text(std::int64_t at_ms) {
  return at_ms == 0 ? "-" : format_rfc3339(from_unix_ms(at_ms));
}

std::string events(std::uint64_t count) {
  return fmt::format("{} event{}", with_thousands(count), count == 1 ? "" : "s");
}

std::string reasons(std::size_t count) {
  return fmt::format("{} reason{}", count, count == 1 ? "" : "s");
}

std::string_view state_of(const ListedLetter& listed) {
  if (listed.is_requeued()) return "requeued";
  if (listed.is_voided()) return "taken back";
  return listed.letter.kind == RecordKind::kEvent ? "dead" : "reject";
}

std::string reasons_table(const LetterSummary& summary, Timestamp now) {
  Table table({"REASON", "events", "oldest", "newest"});
  for (const auto& [reason, count] : summary.top(kReasonsShown)) {
    table.add({reason, with_thousands(count.count), age(count.oldest_ms, now),
               age(count.newest_ms, now)});
  }
  std::string text = table.text();
  if (summary.reasons() > kReasonsShown) {
    text += fmt::format("and {} more\n", reasons(summary.reasons() - kReasonsShown));
  }
  return text;
}

Json reasons_json(const LetterSummary& summary) {
  Json all = Json::array();
  for (const auto& [reason, count] : summary.top(kReasonsShown)) {
    all.push_back(Json{{"reason", reason},
                       {"count", count.count},
                       {"oldest_at", format_rfc3339(from_unix_ms(count.oldest_ms))},
                       {"newest_at", format_rfc3339(from_unix_ms(count.newest_ms))}});
  }
  return all;
}

Json optional_ms(std::int64_t at_ms) {
  return at_ms == 0 ? Json(nullptr) : Json(format_rfc3339(from_unix_ms(at_ms)));
}

Json head_json(const ListedLetter& listed) {
  const DeadLetter& letter = listed.letter;
  Json json{{"lane", name_of(letter.lane)},
            {"seq", letter.seq},
            {"epoch", letter.epoch},
            {"kind", name_of(letter.kind)},
            {"state", state_of(listed)},
            {"time", format_rfc3339(letter.time)},
            {"type", letter.type},
            {"id", letter.id},
            {"route", letter.route},
            {"fetched_at", format_rfc3339(from_unix_ms(letter.fetched_at_ms))},
            {"reason", letter.reason},
            {"status", letter.status},
            {"answer", letter.answer},
            {"attempts", letter.attempts},
            {"first_at", optional_ms(letter.first_at_ms)},
            {"last_at", optional_ms(letter.last_at_ms)},
            {"bytes", letter.body.size()}};
  json["requeued_by"] = nullptr;
  if (listed.is_requeued()) {
    const Intervention& asked = *listed.intervention;
    json["requeued_by"] = Json{{"uid", asked.actor.uid},
                               {"claimed_by", asked.actor.claimed},
                               {"reason", asked.actor.reason},
                               {"at", format_rfc3339(from_unix_ms(asked.at_ms))}};
  }
  return json;
}

}  // namespace

std::string letters_table(const LetterSummary& summary, const std::vector<ListedLetter>& shown,
                          Timestamp now) {
  if (summary.count() == 0) return "no dead letters\n";
  std::uint64_t bytes = 0;
  for (const Lane lane : kLanes) bytes += summary.totals(lane).bytes;
  std::string text = fmt::format("{}, {}, {}", events(summary.count()), describe_bytes(bytes),
                                 reasons(summary.reasons()));
  if (summary.requeued() > 0) {
    text += fmt::format("; {} to be sent again", with_thousands(summary.requeued()));
  }
  text += "\n";
  if (summary.reasons() > 1 || summary.count() > shown.size()) {
    text += "\n" + reasons_table(summary, now);
  }
  if (shown.empty()) return text;
  Table table({"LANE", "SEQ", "TIME", "TYPE", "ID", "STATE", "TRIES", "LAST TRY", "REASON"}, 9);
  for (const ListedLetter& listed : shown) {
    const DeadLetter& letter = listed.letter;
    table.add({std::string(name_of(letter.lane)), std::to_string(letter.seq),
               format_rfc3339(letter.time), letter.type, letter.id, std::string(state_of(listed)),
               std::to_string(letter.attempts), time_text(letter.last_at_ms),
               reason_group(letter)});
  }
  text += "\n" + table.text();
  if (summary.count() > shown.size()) {
    text += fmt::format("and {} more: give a filter, or a larger -n\n",
                        with_thousands(summary.count() - shown.size()));
  }
  return text;
}

std::string letters_json(const LetterSummary& summary, const std::vector<ListedLetter>& shown) {
  Json letters = Json::array();
  for (const ListedLetter& listed : shown) letters.push_back(head_json(listed));
  return dump(Json{{"schema", kSchemaVersion},
                   {"count", summary.count()},
                   {"requeued", summary.requeued()},
                   {"reason_count", summary.reasons()},
                   {"reasons", reasons_json(summary)},
                   {"letters", std::move(letters)}}) +
         "\n";
}

std::string letter_text(const ListedLetter& listed) {
  const DeadLetter& letter = listed.letter;
  std::string text = fmt::format("dead letter {} of lane {}   epoch {}   {}\n", letter.seq,
                                 name_of(letter.lane), letter.epoch, name_of(letter.kind));
  text += fmt::format("  event     {}   {}   {}\n", printable(letter.id),
                      letter.type.empty() ? "no type" : printable(letter.type),
                      format_rfc3339(letter.time));
  if (!letter.route.empty()) text += fmt::format("  session   {}\n", printable(letter.route));
  text += fmt::format("  fetched   {}\n", time_text(letter.fetched_at_ms));
  text += fmt::format("  reason    {}\n", printable(letter.reason));
  if (letter.status != 0) text += fmt::format("  status    {}\n", letter.status);
  if (!letter.answer.empty()) {
    text += fmt::format("  answer    {}\n", printable(dump(Json(letter.answer))));
  }
  text += fmt::format("  tries     {}, the first {}, the last {}\n", letter.attempts,
                      time_text(letter.first_at_ms), time_text(letter.last_at_ms));
  if (listed.is_requeued()) {
    const Intervention& asked = *listed.intervention;
    text +=
        fmt::format("  requeued  {} by uid {}{}: {}\n", time_text(asked.at_ms), asked.actor.uid,
                    asked.actor.claimed.empty() ? "" : fmt::format(" ({})", asked.actor.claimed),
                    asked.actor.reason);
  }
  if (listed.is_voided()) {
    text +=
        "  remark    the queue has lost this number since, and the event comes again by itself; "
        "this letter is counted no more\n";
  }
  if (letter.kind == RecordKind::kEvent) return text + printable(letter.body) + "\n";
  return text +
         fmt::format("  raw       {} bytes, base64: {}\n", letter.body.size(), base64(letter.body));
}

// A line's end inside an event can only be space between its parts.
std::string letter_json(const ListedLetter& listed) {
  Json head{{"schema", kSchemaVersion}};
  head.update(head_json(listed));
  std::string text = dump(head);
  text.pop_back();
  std::string body = listed.letter.body;
  if (listed.letter.kind == RecordKind::kEvent) {
    std::ranges::replace_if(body, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    text.append(",\"event\":").append(body);
  } else {
    text.append(",\"raw\":\"").append(base64(body)).append("\"");
  }
  return text + "}\n";
}

std::string dead_lines(const LetterSummary& summary, const DeadLetterLimits& limits,
                       Timestamp now) {
  if (summary.count() == 0) return "";
  std::string names;
  for (const auto& [reason, count] : summary.top(kReasonsInStatus)) {
    names += (names.empty() ? "" : "; ") + printable(reason);
  }
  if (summary.reasons() > kReasonsInStatus) names += "; …";
  std::string text =
      fmt::format("{:<6} {}, {} ({}), oldest {}", "DEAD", events(summary.count()),
                  reasons(summary.reasons()), names, age(summary.oldest_ms().value_or(0), now));
  if (summary.requeued() > 0) {
    text += fmt::format(", {} to be sent again", with_thousands(summary.requeued()));
  }
  text += ": \"queuectl dead-letter list\"\n";
  for (const Lane lane : kLanes) {
    const std::uint64_t share = limits.share(summary.totals(lane));
    if (share < kDeadLettersWarnShare) continue;
    text += fmt::format("{:<6} {}\n", share >= 100 ? "ERROR" : "WARN",
                        limits.describe(lane, summary.totals(lane)));
  }
  return text;
}

Json dead_json(const LetterSummary& summary, const DeadLetterLimits& limits) {
  Json lanes = Json::object();
  for (const Lane lane : kLanes) {
    const DeadLetterTotals& totals = summary.totals(lane);
    const std::uint64_t share = limits.share(totals);
    lanes[std::string(name_of(lane))] =
        Json{{"count", totals.count},
             {"bytes", totals.bytes},
             {"percent_of_limit", share},
             {"problem", share >= kDeadLettersWarnShare ? Json(limits.describe(lane, totals))
                                                        : Json(nullptr)}};
  }
  return Json{{"count", summary.count()},
              {"requeued", summary.requeued()},
              {"oldest_at", optional_time(summary.oldest_ms().transform(from_unix_ms))},
              {"reason_count", summary.reasons()},
              {"reasons", reasons_json(summary)},
              {"lanes", std::move(lanes)}};
}

}  // namespace sluice::queue
