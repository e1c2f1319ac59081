#include "queue/queuectl/status_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "queue/disk_forecast.h"
#include "queue/queuectl/render.h"
#include "queue/queuectl/replay_render.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;
// A trouble that is younger than this may go on.
constexpr std::int64_t kTroubleFreshMs = 600'000;
constexpr std::int64_t kCertificateSoonMs = 7 * kDayMs;
constexpr std::int64_t kIdentitySoonMs = kHourMs / 4;
constexpr std::size_t kGraphLabelColumns = 18;
constexpr std::size_t kGraphNumberColumns = 14;

// "1h 2m", without fractions of a second; "211d", without hours.
std::string words(milliseconds duration) {
  if (duration < std::chrono::seconds(1)) return "0s";
  if (duration.count() >= 10 * kDayMs) return fmt::format("{}d", duration.count() / kDayMs);
  return format_duration(std::chrono::floor<std::chrono::seconds>(duration));
}

std::string since(std::int64_t at_ms, Timestamp now) {
  return words(milliseconds(std::max<std::int64_t>(0, to_unix_ms(now) - at_ms)));
}

std::string rate_words(const std::optional<double>& rate) {
  if (!rate) return "?";
  if (*rate == 0) return "0";
  if (*rate < 9.95) return fmt::format("{:.1f}", *rate);
  return with_thousands(static_cast<std::uint64_t>(std::llround(*rate)));
}

// Lines with what they are worth: of those with the highest number the last goes first.
struct RankedLine {
  int rank = 0;
  ScreenLine line;
};

class Screen {
 public:
  Screen(const Snapshot& snapshot, const StatusContext& context, const ScreenStyle& style)
      : snapshot_(snapshot), context_(context), style_(style) {}

  std::string text(const StatusHistory* history);

 private:
  void add(int rank, ScreenLine line) { lines_.push_back({rank, std::move(line)}); }
  void add(int rank, std::string_view text, Tone tone = Tone::kPlain) {
    add(rank, ScreenLine(text, tone));
  }
  // Each line of the text.
  void add_lines(int rank, std::string_view text, Tone tone);

  void header();
  void daemon(std::string_view name, const DaemonStatus& status);
  void trouble(const DaemonStatus& status);
  void source();
  void sink();
  void certificates(const std::map<std::string, std::int64_t>& ends, std::int64_t soon_ms);
  void lanes();
  void sums();
  void alarms();
  void disk();
  void jobs();
  void rest();
  void graphs(const StatusHistory& history);
  void graph(const std::string& label, const std::vector<double>& values, Tone tone);
  void drop_what_does_not_fit();

  const char* dot() const { return style_.is_utf8 ? "  ·  " : "  -  "; }

  const Snapshot& snapshot_;
  const StatusContext& context_;
  const ScreenStyle& style_;
  std::vector<RankedLine> lines_;
};

void Screen::add_lines(int rank, std::string_view text, Tone tone) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    add(rank, text.substr(0, end), tone);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void Screen::header() {
  ScreenLine line;
  line.add("sluice ", Tone::kStrong).add(context_.instance, Tone::kStrong);
  line.add(dot(), Tone::kFaint)
      .add(snapshot_.cluster.empty() ? "cluster not yet known" : snapshot_.cluster);
  line.add(dot(), Tone::kFaint).add("queue " + snapshot_.queue_id.short_string());
  line.add(dot(), Tone::kFaint).add(fmt::format("epoch {}", snapshot_.epoch));
  const std::string time = format_rfc3339({snapshot_.taken.seconds, 0}).substr(11);
  if (line.width() + time.size() + 2 <= style_.columns) {
    line.pad_to(style_.columns - time.size()).add(time, Tone::kFaint);
  }
  add(0, std::move(line));
}

void Screen::daemon(std::string_view name, const DaemonStatus& status) {
  const bool runs = status.running.value_or(false);
  ScreenLine line;
  line.add(runs ? (style_.is_utf8 ? "● " : "* ") : (style_.is_utf8 ? "○ " : "o "),
           runs ? Tone::kGood : Tone::kBad);
  line.add(fmt::format("{:8}", name), Tone::kStrong);
  const auto& note = status.note;
  if (!status.running) {
    line.add("not known: its folder cannot be read", Tone::kWarn);
  } else if (!runs) {
    line.add("not running", Tone::kBad);
    if (note)
      line.add(fmt::format("; last heard of {} ago", since(note->noted_ms, snapshot_.taken)));
  } else if (!note || !status.is_note_current) {
    line.add(fmt::format("running (process {})", status.pid));
    if (note)
      line.add(fmt::format("; silent for {}", since(note->noted_ms, snapshot_.taken)), Tone::kWarn);
  } else {
    line.add(fmt::format("{}  up {}  ", note->version, since(note->started_ms, snapshot_.taken)));
    const bool works = note->state == "fetching" || note->state == "shipping";
    line.add(note->state, works ? Tone::kGood : Tone::kWarn);
  }
  add(0, std::move(line));
  trouble(status);
}

void Screen::trouble(const DaemonStatus& status) {
  const auto& note = status.note;
  if (!note || note->problem_ms == 0) return;
  const bool is_fresh = to_unix_ms(snapshot_.taken) - note->problem_ms < kTroubleFreshMs;
  ScreenLine line("          ");
  line.add(fmt::format("last trouble {} ago: ", since(note->problem_ms, snapshot_.taken)),
           Tone::kFaint);
  line.add(note->problem, is_fresh ? Tone::kWarn : Tone::kFaint);
  add(is_fresh ? 2 : 5, std::move(line));
}

void Screen::certificates(const std::map<std::string, std::int64_t>& ends, std::int64_t soon_ms) {
  if (ends.empty()) return;
  ScreenLine line("          ends: ");
  bool is_urgent = false;
  const char* comma = "";
  for (const auto& [whose, ends_ms] : ends) {
    const std::int64_t left_ms = ends_ms - to_unix_ms(snapshot_.taken);
    const bool is_soon = left_ms < soon_ms;
    is_urgent = is_urgent || is_soon;
    line.add(std::exchange(comma, ", ")).add(whose + " ");
    line.add(left_ms <= 0 ? "EXPIRED" : "in " + words(milliseconds(left_ms)),
             left_ms <= 0 ? Tone::kBad : (is_soon ? Tone::kWarn : Tone::kPlain));
  }
  add(is_urgent ? 1 : 4, std::move(line));
}

void Screen::source() {
  const auto& reached = snapshot_.read_up_to;
  ScreenLine line("          ");
  if (reached) {
    line.add(fmt::format("Teleport read completely up to {} ago, asked {} ago",
                         since(reached->time_ms, snapshot_.taken),
                         since(reached->looked_at_ms, snapshot_.taken)));
  } else {
    line.add("how far Teleport was read completely is not known yet");
  }
  add(3, std::move(line));
  if (snapshot_.fetcher.note) certificates(snapshot_.fetcher.note->certificates, kIdentitySoonMs);
}

void Screen::sink() {
  std::map<std::string, std::int64_t> ends;
  if (snapshot_.shipper.note) ends = snapshot_.shipper.note->certificates;
  if (snapshot_.sink) {
    for (const auto& certificate : snapshot_.sink->certificates) {
      ends[certificate.whose] = certificate.ends_ms;
    }
  }
  certificates(ends, kCertificateSoonMs);
  if (!snapshot_.sink) return;
  if (const auto& count = snapshot_.sink->count) {
    const bool is_bad = count->problem.empty() && count->differs_by < 0;
    add(is_bad ? 1 : 6, "          " + count_words(*count, snapshot_.taken),
        is_bad ? Tone::kBad : Tone::kPlain);
  }
  for (const std::string& warning : snapshot_.sink->warnings) {
    add(1, "          ! " + warning, Tone::kWarn);
  }
}

// Columns that do not fit are left out from the right.
void Screen::lanes() {
  struct Column {
    const char* head;
    std::size_t width;
    PerLane<std::string> cells;
  };
  std::vector<Column> columns = {{"backlog", 13, {}}, {"oldest", 9, {}},      {"in/s", 9, {}},
                                 {"out/s", 9, {}},    {"drained in", 12, {}}, {"size", 10, {}},
                                 {"last ack", 11, {}}};
  const bool is_known = !snapshot_.delivery_problem;
  for (const Lane lane : kLanes) {
    const LaneStatus& status = snapshot_.lanes[lane];
    const auto left = drained_in(status);
    const bool is_stuck = status.backlog > 0 && status.in_per_second && status.out_per_second;
    const std::vector<std::string> cells = {
        is_known ? with_thousands(status.backlog) : "?",
        status.oldest_ms ? since(*status.oldest_ms, snapshot_.taken) : "-",
        rate_words(status.in_per_second),
        rate_words(status.out_per_second),
        left ? words(*left) : (is_stuck ? "grows" : "-"),
        status.backlog_bytes ? describe_bytes(*status.backlog_bytes) : "-",
        status.acknowledged_ms ? since(*status.acknowledged_ms, snapshot_.taken) + " ago" : "-"};
    for (std::size_t i = 0; i < columns.size(); ++i) columns[i].cells[lane] = cells[i];
    if (is_stuck && !left && status.out_per_second == 0.0) columns[4].cells[lane] = "stands";
  }
  ScreenLine head("lane   ", Tone::kFaint);
  PerLane<ScreenLine> rows;
  for (const Lane lane : kLanes) rows[lane].add(fmt::format("{:7}", name_of(lane)), Tone::kStrong);
  for (const Column& column : columns) {
    if (head.width() + column.width > style_.columns) break;
    head.add(fmt::format("{:>{}}", column.head, column.width), Tone::kFaint);
    for (const Lane lane : kLanes) {
      const std::string& cell = column.cells[lane];
      const bool is_alarm = cell == "grows" || cell == "stands";
      rows[lane].add(fmt::format("{:>{}}", cell, column.width),
                     is_alarm ? Tone::kWarn : Tone::kPlain);
    }
  }
  add(7, "");
  add(0, std::move(head));
  for (const Lane lane : kLanes) add(0, std::move(rows[lane]));
}

void Screen::sums() {
  if (snapshot_.delivery_problem) return;
  for (const Lane lane : kLanes) {
    const LaneStatus& status = snapshot_.lanes[lane];
    add(8,
        fmt::format("{:7} {} fetched: {} acknowledged, {} waiting, {} dead, {} skipped, {} gaps",
                    name_of(lane), with_thousands(status.fetched),
                    with_thousands(status.acknowledged), with_thousands(status.backlog),
                    with_thousands(status.dead), with_thousands(status.skipped),
                    with_thousands(status.gap)),
        Tone::kFaint);
  }
}

void Screen::alarms() {
  if (snapshot_.delivery_problem) {
    add(0, "the delivery store cannot be read: " + snapshot_.delivery_problem->message, Tone::kBad);
  } else if (const auto missing = total_unaccounted(snapshot_); missing != 0) {
    add(0,
        fmt::format("UNACCOUNTED {}: fetched, and neither delivered, waiting nor set aside",
                    missing),
        Tone::kBad);
  }
  for (const Lane lane : kLanes) {
    const std::string& damage = snapshot_.lanes[lane].damage;
    if (!damage.empty())
      add(0, fmt::format("DAMAGE in lane {}: {}", name_of(lane), damage), Tone::kBad);
  }
}

void Screen::disk() {
  const DiskStatus& disk = snapshot_.disk;
  const DiskPlan plan = plan_disk(context_.limits, disk.space.size);
  const double share =
      plan.max_size == 0 ? 1 : static_cast<double>(disk.used) / static_cast<double>(plan.max_size);
  const bool has_no_room = disk.space.free < plan.min_free || share >= 1;
  const auto left = full_in(disk.bytes_a_day, disk.used, disk.trimmable, disk.space, plan);
  const bool is_soon = left && left->count() < kDayMs;
  const Tone tone = has_no_room ? Tone::kBad : (is_soon ? Tone::kWarn : Tone::kGood);
  ScreenLine line("disk   ", Tone::kStrong);
  if (style_.columns >= 72) line.add("[").add(bar(share, 16, style_.is_utf8), tone).add("] ");
  line.add(fmt::format("{} of {}, {} free", describe_bytes(disk.used),
                       describe_bytes(plan.max_size), describe_bytes(disk.space.free)));
  if (has_no_room) {
    line.add("; FULL: nothing is fetched", Tone::kBad);
  } else if (left) {
    line.add(fmt::format("; full in {}", words(*left)), is_soon ? Tone::kWarn : Tone::kPlain);
  }
  add(0, std::move(line));
}

void Screen::jobs() {
  for (const ReplayJob& job : snapshot_.replays) {
    if (!job.is_active()) continue;
    add(3, "job    " + progress_line(job));
  }
  add_lines(1, dead_lines(snapshot_, context_), Tone::kWarn);
}

void Screen::rest() {
  std::string text =
      fmt::format("a crash repeats at most {} events", with_thousands(context_.duplicates_bound));
  if (const auto back_to = replay_reaches_back_to(snapshot_)) {
    text += fmt::format("; replay reaches back {}", since(*back_to, snapshot_.taken));
  }
  add(9, text, Tone::kFaint);
}

void Screen::graph(const std::string& label, const std::vector<double>& values, Tone tone) {
  const std::size_t columns =
      style_.columns - std::min(style_.columns, kGraphLabelColumns + kGraphNumberColumns);
  ScreenLine line;
  line.add(fmt::format("{:<{}}", label, kGraphLabelColumns));
  line.add(sparkline(values, columns, style_.is_utf8), tone);
  const auto now = values.empty() ? std::nullopt : std::optional(values.back());
  line.add(fmt::format("{:>{}}", rate_words(now), kGraphNumberColumns));
  add(0, std::move(line));
}

// The backlog first, and lanes in which nothing has happened last: what has no room is left out.
void Screen::graphs(const StatusHistory& history) {
  const auto is_quiet = [&](Lane lane) {
    const auto& seen = history.lane(lane);
    const auto is_nothing = [](double value) { return value == 0; };
    return std::ranges::all_of(seen.in, is_nothing) && std::ranges::all_of(seen.out, is_nothing) &&
           std::ranges::all_of(seen.backlog, is_nothing);
  };
  std::size_t room = style_.rows > lines_.size() + 1 ? style_.rows - lines_.size() - 1 : 0;
  if (style_.columns < kGraphLabelColumns + kGraphNumberColumns + 8 || room < 2) return;
  add(0, "");
  --room;
  std::vector<Lane> order(kLanes.begin(), kLanes.end());
  std::ranges::stable_sort(order, {}, is_quiet);
  for (const Lane lane : order) {
    const auto& seen = history.lane(lane);
    const std::string name(name_of(lane));
    for (const auto& [what, values, tone] : {std::tuple(" backlog", &seen.backlog, Tone::kWarn),
                                             std::tuple(" out/s", &seen.out, Tone::kGood),
                                             std::tuple(" in/s", &seen.in, Tone::kPlain)}) {
      if (room == 0) return;
      graph(name + what, *values, tone);
      --room;
    }
  }
}

void Screen::drop_what_does_not_fit() {
  while (style_.rows > 0 && lines_.size() > style_.rows) {
    const auto least =
        std::ranges::max_element(lines_.rbegin(), lines_.rend(), {}, &RankedLine::rank);
    if (least->rank == 0) {
      lines_.resize(style_.rows);
      return;
    }
    lines_.erase(std::next(least).base());
  }
}

std::string Screen::text(const StatusHistory* history) {
  header();
  daemon("fetcher", snapshot_.fetcher);
  source();
  daemon("shipper", snapshot_.shipper);
  sink();
  lanes();
  alarms();
  disk();
  jobs();
  sums();
  rest();
  drop_what_does_not_fit();
  if (history != nullptr) graphs(*history);
  std::string text;
  for (const RankedLine& ranked : lines_) text += ranked.line.text(style_);
  return text;
}

void keep_last(std::size_t most, std::vector<double>* values) {
  if (values->size() > most) values->erase(values->begin());
}

}  // namespace

void StatusHistory::add(const Snapshot& snapshot) {
  Look now{.at_ms = to_unix_ms(snapshot.taken), .fetched = {}, .done = {}};
  for (const Lane lane : kLanes) {
    const LaneStatus& status = snapshot.lanes[lane];
    now.fetched[lane] = status.fetched;
    now.done[lane] = status.fetched - std::min(status.fetched, status.backlog);
    Series& seen = lanes_[lane];
    const bool is_known = !snapshot.delivery_problem;
    if (is_known) {
      seen.backlog.push_back(static_cast<double>(status.backlog));
      keep_last(kKept, &seen.backlog);
    }
    if (!last_ || now.at_ms <= last_->at_ms) continue;
    const double seconds = static_cast<double>(now.at_ms - last_->at_ms) / 1000;
    const auto rate = [&](std::uint64_t before, std::uint64_t after) {
      return after > before ? static_cast<double>(after - before) / seconds : 0;
    };
    seen.in.push_back(rate(last_->fetched[lane], now.fetched[lane]));
    keep_last(kKept, &seen.in);
    if (!is_known) continue;
    seen.out.push_back(rate(last_->done[lane], now.done[lane]));
    keep_last(kKept, &seen.out);
  }
  last_ = now;
}

std::string status_screen(const Snapshot& snapshot, const StatusContext& context,
                          const ScreenStyle& style, const StatusHistory* history) {
  return Screen(snapshot, context, style).text(history);
}

}  // namespace sluice::queue
