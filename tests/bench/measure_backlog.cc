#include "tests/bench/measure_backlog.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "tests/bench/child.h"
#include "tests/bench/event_pool.h"

namespace sluice::bench {
namespace {

using queue::Lane;
using queue::Seq;

constexpr std::uint64_t kBatchEvents = 500;
constexpr std::uint64_t kSmallBacklog = 10'000;
constexpr int kDrainRounds = 15;
constexpr int kKillRounds = 3;
constexpr double kMebi = 1 << 20;

struct Backlog {
  const Setup& setup;
  queue::InstancePaths big;
  queue::InstancePaths small;
  std::uint64_t events = 0;
};

Result<void> append_events(queue::Writer* writer, EventPool* pool, std::uint64_t events) {
  queue::Append append;
  while (events > 0) {
    const std::uint64_t now = std::min(events, kBatchEvents);
    pool->fill(Lane::kAudit, now, &append);
    SLUICE_TRY(writer->append(append));
    events -= now;
  }
  return {};
}

// Fills the queue, sends what that took, and then, told to go on, appends at full speed for as long
// as the reader drains: until it is told to end.
Result<void> fill_and_go_on(const Backlog& backlog, const Parent& parent) {
  EventPool pool(kEventBytes, 3);
  SLUICE_ASSIGN(const auto writer, open_writer(backlog.big));
  const double written_before = bytes_written();
  const Stopwatch watch;
  SLUICE_TRY(append_events(writer.get(), &pool, backlog.events));
  const double seconds = watch.seconds();
  wait_until_quiet();
  parent.send({{"rate", {static_cast<double>(backlog.events) / seconds}},
               {"written", {bytes_written() - written_before}},
               {"on_disk", {table_bytes(backlog.big)}},
               {"memory", {peak_resident_mib()}}});
  parent.wait();
  while (!parent.says_go_on()) SLUICE_TRY(append_events(writer.get(), &pool, kBatchEvents));
  parent.wait();
  parent.send({{"memory", {peak_resident_mib()}}});
  return {};
}

// Reads `count` records from `first` on with the shipper's limits. Returns seconds.
Result<double> drain(queue::Reader* reader, Seq first, std::uint64_t count) {
  std::size_t bytes = 0;
  const Stopwatch watch;
  for (const Seq end = first + count; first < end;) {
    SLUICE_ASSIGN(const auto batch, reader->read(Lane::kAudit, first, {}));
    if (batch.empty()) return fail(ErrorKind::kHole, fmt::format("record {} is missing", first));
    first = std::min(end, batch.records().back().seq + 1);
    bytes += batch.bytes();
  }
  const double seconds = watch.seconds();
  if (bytes < count * kEventBytes) return fail(ErrorKind::kCorrupt, "the records are too small");
  return seconds;
}

// All of the backlog twice, the second time warm, and then what the writer still adds.
Result<void> drain_all(const Backlog& backlog, const Parent& parent) {
  SLUICE_ASSIGN(const auto reader, open_reader(backlog.big, "drain"));
  Values values;
  for (const char* const name : {"first", "warm"}) {
    SLUICE_ASSIGN(const double seconds, drain(reader.get(), 1, backlog.events));
    values[name].push_back(static_cast<double>(backlog.events) / seconds);
  }
  const Stopwatch watch;
  for (Seq next = backlog.events + 1; watch.seconds() < backlog.setup.amount(8.0, 0.2);) {
    const std::uint32_t bell = reader->doorbell();
    SLUICE_ASSIGN(const auto batch, reader->read(Lane::kAudit, next, {}));
    if (batch.empty()) reader->wait(bell, std::chrono::milliseconds(100));
    next += batch.records().size();
  }
  values["memory"].push_back(peak_resident_mib());
  parent.send(values);
  return {};
}

Result<void> fill_small(const Backlog& backlog) {
  EventPool pool(kEventBytes, 4);
  SLUICE_ASSIGN(auto writer, open_writer(backlog.small));
  SLUICE_TRY(append_events(writer.get(), &pool, kSmallBacklog));
  writer.reset();
  // Opening writes what is in the log into a table, where that of the large queue is too.
  SLUICE_TRY(open_writer(backlog.small));
  return {};
}

// The same number of records: all of a small backlog, and from three places of the big one.
Result<void> compare_drains(const Backlog& backlog, const Parent& parent) {
  SLUICE_TRY(fill_small(backlog));
  SLUICE_ASSIGN(const auto small, open_reader(backlog.small, "compare"));
  SLUICE_ASSIGN(const auto big, open_reader(backlog.big, "compare"));
  const std::uint64_t count = std::min(kSmallBacklog, backlog.events / 2);
  const Seq middle = (backlog.events - count) / 2;
  const std::vector<std::pair<const char*, Seq>> places = {
      {"start", 1}, {"middle", middle}, {"end", backlog.events - count}};
  Values values;
  for (int round = -1; round < backlog.setup.amount(kDrainRounds, 1); ++round) {
    const double processor_before = processor_seconds();
    SLUICE_ASSIGN(const double small_seconds, drain(small.get(), 1, count));
    const double processor = processor_seconds() - processor_before;
    for (const auto& [name, first] : places) {
      SLUICE_ASSIGN(const double seconds, drain(big.get(), first, count));
      if (round < 0) continue;  // reads the files into the page cache
      values[name].push_back(small_seconds / seconds);
    }
    if (round < 0) continue;
    values["small"].push_back(static_cast<double>(count) / small_seconds);
    values["processor"].push_back(static_cast<double>(count) / processor);
  }
  parent.send(values);
  return {};
}

// Appends to both lanes until the log is as long as it gets, and waits there to be killed.
Result<void> grow_log(const Backlog& backlog, const Parent& parent) {
  EventPool pool(kEventBytes, 5);
  SLUICE_ASSIGN(const auto writer, open_writer(backlog.big));
  queue::Append append;
  double longest = 0;
  const double enough = backlog.setup.amount(800.0, 5.0) * kMebi;
  for (double appended = 0;; appended += static_cast<double>(append.body_bytes())) {
    for (const Lane lane : {Lane::kAudit, Lane::kAudit, Lane::kAudit, Lane::kSession}) {
      pool.fill(lane, kBatchEvents, &append);
      SLUICE_TRY(writer->append(append));
    }
    const double bytes = log_bytes(backlog.big);
    longest = std::max(longest, bytes);
    if (appended > enough && bytes >= 0.95 * longest) break;
  }
  parent.send({{"log", {log_bytes(backlog.big) / kMebi}}});
  parent.wait();
  return {};
}

Result<void> time_opening(const Backlog& backlog, bool writer, const Parent& parent) {
  const Stopwatch watch;
  std::unique_ptr<queue::Writer> opened_writer;
  std::unique_ptr<queue::Reader> opened_reader;
  if (writer) {
    SLUICE_ASSIGN(opened_writer, open_writer(backlog.big));
  } else {
    SLUICE_ASSIGN(opened_reader, open_reader(backlog.big, "open"));
    SLUICE_TRY(opened_reader->read(Lane::kAudit, 1, {}));
  }
  parent.send({{"seconds", {watch.seconds()}}, {"memory", {peak_resident_mib()}}});
  return {};
}

Result<void> measure_opening(const Backlog& backlog, Report* report) {
  std::vector<double> logs;
  std::vector<double> memory;
  Values seconds;
  for (int round = 0; round < backlog.setup.amount(kKillRounds, 1); ++round) {
    SLUICE_ASSIGN(Child child, Child::start("the writer", [&](const Parent& parent) {
                    return grow_log(backlog, parent);
                  }));
    SLUICE_ASSIGN(Values found, child.receive());
    child.kill();
    logs.push_back(found["log"].at(0));
    // The reader first: the writer's opening empties the log.
    for (const bool writer : {false, true}) {
      SLUICE_ASSIGN(Values opened, run_child("the opening", [&](const Parent& parent) {
                      return time_opening(backlog, writer, parent);
                    }));
      seconds[writer ? "writer" : "reader"].push_back(opened["seconds"].at(0));
      memory.push_back(opened["memory"].at(0));
    }
  }
  report->add("unflushed log when killed", {}, "{:.0f} MiB", logs);
  report->add("opening for reading after kill -9", below(2), "{:.2f} s", seconds["reader"]);
  report->add("opening for writing after kill -9", below(2), "{:.2f} s", seconds["writer"]);
  report->add("memory of what opens it", below(200), "{:.0f} MiB", memory);
  return {};
}

Result<void> measure_drains(const Backlog& backlog, Report* report) {
  SLUICE_ASSIGN(Values drained, run_child("the comparison of drains", [&](const Parent& parent) {
                  return compare_drains(backlog, parent);
                }));
  report->add(fmt::format("drain of {} events, a backlog of as many", kSmallBacklog),
              at_least(1'000'000), "{:.0f} records/s", drained["small"]);
  // What the machine's other load takes away is not in this one.
  report->add("the same by the reader's own processor time", {}, "{:.0f} records/s",
              drained["processor"]);
  for (const char* const place : {"start", "middle", "end"}) {
    report->add(
        fmt::format("the same number at the {} of {} events, share of that", place, backlog.events),
        at_least(0.9), "{:.2f}", drained[place]);
  }
  return {};
}

// Writer and reader at work at the same time.
Result<void> measure_both(const Backlog& backlog, Child* writer, Report* report) {
  writer->go_on();
  SLUICE_ASSIGN(Values read, run_child("the reader", [&](const Parent& parent) {
                  return drain_all(backlog, parent);
                }));
  writer->go_on();
  SLUICE_ASSIGN(Values written, writer->receive());
  SLUICE_TRY(writer->finish());
  report->add("drain of the whole backlog while the writer appends, first time", {},
              "{:.0f} records/s", read["first"]);
  report->add("drain of the whole backlog while the writer appends, again", {}, "{:.0f} records/s",
              read["warm"]);
  report->add("memory of the reader", below(200), "{:.0f} MiB", read["memory"]);
  report->add("memory of the writer", below(200), "{:.0f} MiB", written["memory"]);
  return {};
}

}  // namespace

Result<void> measure_backlog(const Setup& setup, Report* report) {
  const ScratchFolder folder(setup.folder / "backlog");
  const Backlog backlog{.setup = setup,
                        .big = instance_at(folder.path() / "big"),
                        .small = instance_at(folder.path() / "small"),
                        .events = setup.amount<std::uint64_t>(setup.backlog_events, 20'000)};
  SLUICE_ASSIGN(Child writer, Child::start("the writer", [&](const Parent& parent) {
                  return fill_and_go_on(backlog, parent);
                }));
  SLUICE_ASSIGN(Values built, writer.receive());
  const double user_bytes = static_cast<double>(backlog.events) * kEventBytes;
  report->add(fmt::format("building a backlog of {} events, 500 a batch", backlog.events), {},
              "{:.0f} events/s", built["rate"]);
  report->add("bytes on disk an event of 1 KiB, at that size", {}, "{:.0f}",
              {built["on_disk"].at(0) / static_cast<double>(backlog.events)});
  report->add("write amplification at that size", {}, "{:.2f}",
              {built["written"].at(0) / user_bytes});
  SLUICE_TRY(measure_drains(backlog, report));
  SLUICE_TRY(measure_both(backlog, &writer, report));
  return measure_opening(backlog, report);
}

}  // namespace sluice::bench
