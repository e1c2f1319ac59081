#include "queue/queuectl/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/base64.h"
#include "common/check.h"
#include "queue/queuectl/json.h"
#include "queue/queuectl/letter_render.h"
#include "queue/queuectl/replay_render.h"

namespace sluice::queue {
namespace {

std::string age(std::optional<std::int64_t> at_ms, Timestamp now) {
  if (!at_ms) return "-";
  return format_duration(
      std::chrono::milliseconds(std::max<std::int64_t>(0, to_unix_ms(now) - *at_ms)));
}

std::string daemon_line(std::string_view name, const DaemonStatus& daemon) {
  if (!daemon.running) return fmt::format("{:8} not known: its folder cannot be read", name);
  if (!*daemon.running) return fmt::format("{:8} not running", name);
  if (daemon.pid == 0) return fmt::format("{:8} running", name);
  return fmt::format("{:8} running (process {})", name, daemon.pid);
}

std::string read_up_to_line(const Snapshot& snapshot) {
  const auto& reached = snapshot.read_up_to;
  if (!reached) return "         how far Teleport was read completely is not known yet";
  return fmt::format("         Teleport read completely up to {} ({} ago), asked {} ago",
                     format_rfc3339({from_unix_ms(reached->time_ms).seconds, 0}),
                     age(reached->time_ms, snapshot.taken),
                     age(reached->looked_at_ms, snapshot.taken));
}

std::string count_words(const SinkReport::Count& count, Timestamp now) {
  const std::string_view what = "sink's own count (monitor_agent)";
  if (!count.problem.empty()) {
    return fmt::format("{} cannot be compared: {}", what, count.problem);
  }
  if (count.since_ms == 0) return fmt::format("{}: not compared yet", what);
  return fmt::format("{}: differs by {} ({} counted, {} acknowledged in {})", what,
                     count.differs_by, with_thousands(count.counted),
                     with_thousands(count.acknowledged), age(count.since_ms, now));
}

// What the shipper says of its sink, each line indented below that of the shipper itself.
std::string sink_lines(const Snapshot& snapshot) {
  if (!snapshot.sink) return {};
  constexpr std::string_view kIndent = "         ";
  std::string text;
  if (snapshot.sink->count) {
    text += fmt::format("{}{}\n", kIndent, count_words(*snapshot.sink->count, snapshot.taken));
  }
  std::string ends;
  for (const SinkReport::Certificate& certificate : snapshot.sink->certificates) {
    const std::int64_t left_ms = certificate.ends_ms - to_unix_ms(snapshot.taken);
    ends += fmt::format(
        "{}{} {}", ends.empty() ? "certificates end: " : ", ", certificate.whose,
        left_ms <= 0 ? "EXPIRED" : "in " + format_duration(std::chrono::milliseconds(left_ms)));
  }
  if (!ends.empty()) text += fmt::format("{}{}\n", kIndent, ends);
  for (const std::string& warning : snapshot.sink->warnings) {
    text += fmt::format("{}! {}\n", kIndent, warning);
  }
  return text;
}

Json sink_json(const Snapshot& snapshot) {
  if (!snapshot.sink) return nullptr;
  const SinkReport& sink = *snapshot.sink;
  Json certificates = Json::object();
  for (const SinkReport::Certificate& certificate : sink.certificates) {
    certificates[certificate.whose] = format_rfc3339(from_unix_ms(certificate.ends_ms));
  }
  Json count = nullptr;
  if (sink.count) {
    const bool is_compared = sink.count->since_ms != 0;
    count =
        Json{{"since", optional_time(is_compared ? std::optional(from_unix_ms(sink.count->since_ms))
                                                 : std::nullopt)},
             {"acknowledged", sink.count->acknowledged},
             {"counted", sink.count->counted},
             {"differs_by", is_compared ? Json(sink.count->differs_by) : Json(nullptr)},
             {"problem", sink.count->problem.empty() ? Json(nullptr) : Json(sink.count->problem)}};
  }
  return Json{
      {"certificates_end_at", certificates}, {"own_count", count}, {"warnings", sink.warnings}};
}

std::int64_t total_unaccounted(const Snapshot& snapshot) {
  std::int64_t total = 0;
  for (const Lane lane : kLanes) total += snapshot.lanes[lane].unaccounted;
  return total;
}

std::uint64_t total_duplicates(const Snapshot& snapshot) {
  std::uint64_t total = 0;
  for (const Lane lane : kLanes) total += snapshot.lanes[lane].duplicates;
  return total;
}

Json active_replays(const std::vector<ReplayJob>& jobs) {
  Json ids = Json::array();
  for (const ReplayJob& job : jobs) {
    if (job.is_active()) ids.push_back(job.id);
  }
  return ids;
}

// How far back every lane that has anything can be replayed.
std::optional<std::int64_t> replay_reaches_back_to(const Snapshot& snapshot) {
  std::optional<std::int64_t> latest;
  for (const Lane lane : kLanes) {
    const auto since = snapshot.lanes[lane].kept_since_ms;
    if (since && (!latest || *since > *latest)) latest = since;
  }
  return latest;
}

// How long until max-size is reached if nothing is acknowledged from now on.
std::optional<std::chrono::milliseconds> full_in(const DiskStatus& disk, const DiskPlan& plan) {
  if (!disk.bytes_a_day || *disk.bytes_a_day == 0) return std::nullopt;
  constexpr double kDayMs = 86'400'000;
  const std::uint64_t left = plan.max_size > disk.used ? plan.max_size - disk.used : 0;
  const std::uint64_t room = disk.space.free > plan.min_free ? disk.space.free - plan.min_free : 0;
  const double days =
      static_cast<double>(std::min(left, room)) / static_cast<double>(*disk.bytes_a_day);
  return std::chrono::milliseconds(static_cast<std::int64_t>(days * kDayMs));
}

std::string disk_line(const Snapshot& snapshot, const StatusContext& context) {
  const DiskStatus& disk = snapshot.disk;
  const DiskPlan plan = plan_disk(context.limits, disk.space.size);
  std::string line = fmt::format("disk: {} of {}, {} free", describe_bytes(disk.used),
                                 describe_bytes(plan.max_size), describe_bytes(disk.space.free));
  if (disk.space.free < plan.min_free) {
    line += fmt::format(" (less than min-free-disk, {}: nothing is fetched)",
                        describe_bytes(plan.min_free));
  } else if (const auto left = full_in(disk, plan)) {
    line += fmt::format("; full in {} if nothing is acknowledged", format_duration(*left));
  }
  if (const auto since = replay_reaches_back_to(snapshot)) {
    line += fmt::format("; replay reaches back to {}",
                        format_rfc3339({from_unix_ms(*since).seconds, 0}));
  }
  return line + "\n";
}

Json disk_json(const Snapshot& snapshot, const StatusContext& context) {
  const DiskStatus& disk = snapshot.disk;
  const DiskPlan plan = plan_disk(context.limits, disk.space.size);
  const auto left = full_in(disk, plan);
  return Json{{"used_bytes", disk.used},
              {"max_size", plan.max_size},
              {"session_max_size", plan.session_max_size},
              {"min_free_disk", plan.min_free},
              {"free_bytes", disk.space.free},
              {"bytes_a_day", disk.bytes_a_day ? Json(*disk.bytes_a_day) : Json(nullptr)},
              {"full_in_ms", left ? Json(left->count()) : Json(nullptr)},
              {"replay_reaches_back_to",
               optional_time(replay_reaches_back_to(snapshot).transform(from_unix_ms))}};
}

Json lane_json(const LaneStatus& lane, bool delivery_known) {
  const auto known = [&](std::uint64_t value) {
    return delivery_known ? Json(value) : Json(nullptr);
  };
  return Json{
      {"fetched", lane.fetched},
      {"acknowledged", known(lane.acknowledged)},
      {"backlog", known(lane.backlog)},
      {"dead", known(lane.dead)},
      {"skipped", known(lane.skipped)},
      {"gap", known(lane.gap)},
      {"unaccounted", delivery_known ? Json(lane.unaccounted) : Json(nullptr)},
      {"position", known(lane.position)},
      {"floor", lane.floor},
      {"filtered", lane.filtered},
      {"duplicates_avoided", lane.duplicates},
      {"voided", known(lane.voided)},
      {"damage", lane.damage.empty() ? Json(nullptr) : Json(lane.damage)},
      {"oldest_fetched_at", optional_time(lane.oldest_ms.transform(from_unix_ms))},
      {"last_acknowledged_at", optional_time(lane.acknowledged_ms.transform(from_unix_ms))}};
}

struct ReportLine {
  LedgerKey key;
  LedgerRow row;
  std::int64_t open() const {
    return static_cast<std::int64_t>(row.queued - row.acknowledged - row.dead - row.skipped -
                                     row.gap);
  }
  // Whether the ids that left are those that came; only a day with nothing open can say.
  bool ids_agree() const {
    Digest left = row.acknowledged_ids;
    left += row.set_aside_ids;
    return left == row.queued_ids;
  }
};

std::vector<ReportLine> report_lines(const Ledger& ledger, std::optional<Day> day) {
  std::vector<ReportLine> lines;
  for (const auto& [key, row] : ledger) {
    if (!day || *day == key.day) lines.push_back({key, row});
  }
  return lines;
}

}  // namespace

Table::Table(std::vector<std::string> header, std::size_t left_columns)
    : left_columns_(left_columns) {
  rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> cells) {
  SLUICE_CHECK(cells.size() == rows_.front().size(), "a row has as many cells as the header");
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += i < left_columns_ ? fmt::format("{:<{}}", row[i], widths[i])
                                : fmt::format("{:>{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string with_thousands(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string status_table(const Snapshot& snapshot, const StatusContext& context) {
  std::string text =
      fmt::format("sluice {}   cluster {}   queue {}   epoch {}   {}\n", context.instance,
                  snapshot.cluster.empty() ? "(not yet known)" : snapshot.cluster,
                  snapshot.queue_id.short_string(), snapshot.epoch,
                  format_rfc3339({snapshot.taken.seconds, 0}));
  text += daemon_line("fetcher", snapshot.fetcher) + "\n";
  text += read_up_to_line(snapshot) + "\n";
  text += daemon_line("shipper", snapshot.shipper) + "\n";
  text += sink_lines(snapshot) + "\n";
  const bool known = !snapshot.delivery_problem;
  Table table({"LANE", "fetched", "acknowledged", "backlog", "dead", "skipped", "gap", "oldest",
               "last acknowledged"});
  for (const Lane lane : kLanes) {
    const LaneStatus& status = snapshot.lanes[lane];
    const auto number = [&](std::uint64_t value) { return known ? with_thousands(value) : "?"; };
    table.add(
        {std::string(name_of(lane)), with_thousands(status.fetched), number(status.acknowledged),
         number(status.backlog), number(status.dead), number(status.skipped), number(status.gap),
         age(status.oldest_ms, snapshot.taken),
         status.acknowledged_ms ? age(status.acknowledged_ms, snapshot.taken) + " ago" : "-"});
  }
  text += table.text();
  if (known) {
    text += fmt::format("unaccounted {}\n", total_unaccounted(snapshot));
  } else {
    text +=
        fmt::format("the delivery store cannot be read: {}\n", snapshot.delivery_problem->message);
  }
  for (const Lane lane : kLanes) {
    const std::string& damage = snapshot.lanes[lane].damage;
    if (!damage.empty()) text += fmt::format("DAMAGE in lane {}: {}\n", name_of(lane), damage);
  }
  text += disk_line(snapshot, context);
  text += fmt::format("duplicates: at most {} a crash; {} kept out before the queue\n",
                      with_thousands(context.duplicates_bound),
                      with_thousands(total_duplicates(snapshot)));
  text += jobs_lines(snapshot.replays);
  return text + dead_lines(snapshot.letters, context.letter_limits, snapshot.taken);
}

std::string status_json(const Snapshot& snapshot, const StatusContext& context) {
  const auto daemon = [](const DaemonStatus& status) {
    return Json{{"running", status.running ? Json(*status.running) : Json(nullptr)},
                {"pid", status.pid == 0 ? Json(nullptr) : Json(status.pid)}};
  };
  const bool known = !snapshot.delivery_problem;
  const auto& reached = snapshot.read_up_to;
  Json lanes = Json::object();
  for (const Lane lane : kLanes) {
    lanes[std::string(name_of(lane))] = lane_json(snapshot.lanes[lane], known);
  }
  return dump(Json{
             {"schema", kSchemaVersion},
             {"taken_at", format_rfc3339(snapshot.taken)},
             {"instance", context.instance},
             {"cluster", snapshot.cluster},
             {"queue_id", snapshot.queue_id.to_string()},
             {"epoch", snapshot.epoch},
             {"fetcher", daemon(snapshot.fetcher)},
             {"read_up_to", optional_time(reached ? std::optional(from_unix_ms(reached->time_ms))
                                                  : std::nullopt)},
             {"read_up_to_seen_at",
              optional_time(reached ? std::optional(from_unix_ms(reached->looked_at_ms))
                                    : std::nullopt)},
             {"shipper", daemon(snapshot.shipper)},
             {"sink", sink_json(snapshot)},
             {"delivery_problem", known ? Json(nullptr) : Json(snapshot.delivery_problem->message)},
             {"lanes", lanes},
             {"disk", disk_json(snapshot, context)},
             {"unaccounted", known ? Json(total_unaccounted(snapshot)) : Json(nullptr)},
             {"duplicates_bound", context.duplicates_bound},
             {"active_replays", active_replays(snapshot.replays)},
             {"dead_letters",
              known ? dead_json(snapshot.letters, context.letter_limits) : Json(nullptr)}}) +
         "\n";
}

std::string report_table(const Ledger& ledger, std::optional<Day> day) {
  Table table({"DAY", "LANE", "queued", "acknowledged", "dead", "skipped", "gap", "open",
               "filtered", "duplicates", "ids"},
              2);
  for (const ReportLine& line : report_lines(ledger, day)) {
    const LedgerRow& row = line.row;
    table.add({format_day(line.key.day), std::string(name_of(line.key.lane)),
               with_thousands(row.queued), with_thousands(row.acknowledged),
               with_thousands(row.dead), with_thousands(row.skipped), with_thousands(row.gap),
               std::to_string(line.open()), with_thousands(row.filtered),
               with_thousands(row.duplicates),
               line.open() != 0 ? "open" : (line.ids_agree() ? "agree" : "DIFFER")});
  }
  return table.text();
}

std::string report_json(const Ledger& ledger, std::optional<Day> day) {
  std::string text;
  for (const ReportLine& line : report_lines(ledger, day)) {
    const LedgerRow& row = line.row;
    text += dump(Json{{"schema", kSchemaVersion},
                      {"day", format_day(line.key.day)},
                      {"lane", name_of(line.key.lane)},
                      {"queued", row.queued},
                      {"acknowledged", row.acknowledged},
                      {"dead", row.dead},
                      {"skipped", row.skipped},
                      {"gap", row.gap},
                      {"open", line.open()},
                      {"filtered", row.filtered},
                      {"duplicates_avoided", row.duplicates},
                      {"queued_ids", row.queued_ids.to_hex()},
                      {"acknowledged_ids", row.acknowledged_ids.to_hex()},
                      {"set_aside_ids", row.set_aside_ids.to_hex()}}) +
            "\n";
  }
  return text;
}

std::string records_table(const std::vector<StoredRecord>& records) {
  Table table({"SEQ", "TIME", "TYPE", "ID", "ROUTE", "KIND", "BYTES"}, 6);
  for (const auto& [seq, record] : records) {
    table.add({std::to_string(seq), format_rfc3339(record.time), std::string(record.type),
               std::string(record.id), std::string(record.route), std::string(name_of(record.kind)),
               with_thousands(record.body.size())});
  }
  return table.text();
}

std::string record_line(Lane lane, const StoredRecord& stored) {
  const RecordView& record = stored.record;
  return fmt::format("{:7}  {:>10}  {:24}  {:<28}  {}{}\n", name_of(lane), stored.seq,
                     format_rfc3339(record.time), record.type, record.id,
                     record.kind == RecordKind::kEvent
                         ? ""
                         : fmt::format("  ({}: {})", name_of(record.kind), record.note));
}

std::string record_json(Lane lane, const StoredRecord& stored) {
  const RecordView& record = stored.record;
  const Json head{{"schema", kSchemaVersion},
                  {"lane", name_of(lane)},
                  {"seq", stored.seq},
                  {"epoch", record.epoch},
                  {"kind", name_of(record.kind)},
                  {"fetched_at", format_rfc3339(from_unix_ms(record.fetched_at_ms))},
                  {"time", format_rfc3339(record.time)},
                  {"id", record.id},
                  {"type", record.type},
                  {"route", record.route},
                  {"note", record.note}};
  std::string text = dump(head);
  text.pop_back();
  if (record.kind == RecordKind::kEvent) {
    text.append(",\"event\":").append(record.body);
  } else {
    text.append(",\"raw\":\"").append(base64(record.body)).append("\"");
  }
  return text + "}\n";
}

}  // namespace sluice::queue
