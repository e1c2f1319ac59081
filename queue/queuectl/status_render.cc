#include "queue/queuectl/status_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "queue/disk_forecast.h"
#include "queue/queuectl/json.h"
#include "queue/queuectl/letter_render.h"
#include "queue/queuectl/render.h"
#include "queue/queuectl/replay_render.h"

namespace sluice::queue {

std::string age(std::optional<std::int64_t> at_ms, Timestamp now) {
  if (!at_ms) return "-";
  return format_duration(
      std::chrono::milliseconds(std::max<std::int64_t>(0, to_unix_ms(now) - *at_ms)));
}

std::string dead_lines(const Snapshot& snapshot, const StatusContext& context) {
  std::string lines = dead_lines(snapshot.letters, context.letter_limits, snapshot.taken);
  return context.address ? context.address(std::move(lines)) : lines;
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

std::int64_t total_unaccounted(const Snapshot& snapshot) {
  std::int64_t total = 0;
  for (const Lane lane : kLanes) total += snapshot.lanes[lane].unaccounted;
  return total;
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

std::uint64_t total_duplicates(const Snapshot& snapshot) {
  std::uint64_t total = 0;
  for (const Lane lane : kLanes) total += snapshot.lanes[lane].duplicates;
  return total;
}

namespace {

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

Json active_replays(const std::vector<ReplayJob>& jobs) {
  Json ids = Json::array();
  for (const ReplayJob& job : jobs) {
    if (job.is_active()) ids.push_back(job.id);
  }
  return ids;
}

std::string disk_line(const Snapshot& snapshot, const StatusContext& context) {
  const DiskStatus& disk = snapshot.disk;
  const DiskPlan plan = plan_disk(context.limits, disk.space.size);
  std::string line = fmt::format("disk: {} of {}, {} free", describe_bytes(disk.used),
                                 describe_bytes(plan.max_size), describe_bytes(disk.space.free));
  if (disk.space.free < plan.min_free) {
    line += fmt::format(" (less than min-free-disk, {}: nothing is fetched)",
                        describe_bytes(plan.min_free));
  } else if (const auto left =
                 full_in(disk.bytes_a_day, disk.used, disk.trimmable, disk.space, plan)) {
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
  const auto left = full_in(disk.bytes_a_day, disk.used, disk.trimmable, disk.space, plan);
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

Json note_json(const DaemonNote& note, bool is_current) {
  Json certificates = Json::object();
  for (const auto& [whose, ends_ms] : note.certificates) {
    certificates[whose] = format_rfc3339(from_unix_ms(ends_ms));
  }
  Json problem = nullptr;
  if (note.problem_ms != 0) {
    problem =
        Json{{"at", format_rfc3339(from_unix_ms(note.problem_ms))}, {"message", note.problem}};
  }
  return Json{{"is_current", is_current},
              {"noted_at", format_rfc3339(from_unix_ms(note.noted_ms))},
              {"version", note.version},
              {"started_at", format_rfc3339(from_unix_ms(note.started_ms))},
              {"state", note.state},
              {"state_since", format_rfc3339(from_unix_ms(note.state_since_ms))},
              {"last_problem", problem},
              {"certificates_end_at", certificates}};
}

Json daemon_json(const DaemonStatus& status) {
  return Json{
      {"running", status.running ? Json(*status.running) : Json(nullptr)},
      {"pid", status.pid == 0 ? Json(nullptr) : Json(status.pid)},
      {"says", status.note ? note_json(*status.note, status.is_note_current) : Json(nullptr)}};
}

template <typename T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json lane_json(const LaneStatus& lane, bool delivery_known) {
  const auto known = [&](std::uint64_t value) {
    return delivery_known ? Json(value) : Json(nullptr);
  };
  return Json{{"fetched", lane.fetched},
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
              {"last_acknowledged_at", optional_time(lane.acknowledged_ms.transform(from_unix_ms))},
              {"backlog_bytes", delivery_known ? optional_json(lane.backlog_bytes) : Json(nullptr)},
              {"in_per_second", optional_json(lane.in_per_second)},
              {"out_per_second", optional_json(lane.out_per_second)},
              {"drained_in_ms", optional_json(drained_in(lane).transform(
                                    [](const auto& duration) { return duration.count(); }))}};
}

}  // namespace

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
  return text + dead_lines(snapshot, context);
}

std::string status_json(const Snapshot& snapshot, const StatusContext& context) {
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
             {"fetcher", daemon_json(snapshot.fetcher)},
             {"read_up_to", optional_time(reached ? std::optional(from_unix_ms(reached->time_ms))
                                                  : std::nullopt)},
             {"read_up_to_seen_at",
              optional_time(reached ? std::optional(from_unix_ms(reached->looked_at_ms))
                                    : std::nullopt)},
             {"shipper", daemon_json(snapshot.shipper)},
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

}  // namespace sluice::queue
