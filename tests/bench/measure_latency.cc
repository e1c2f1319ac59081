#include "tests/bench/measure_latency.h"

#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/child.h"
#include "tests/bench/event_pool.h"

namespace sluice::bench {
namespace {

using queue::Lane;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kRounds = 5;
constexpr auto kBetweenEvents = milliseconds(5);  // 200 events a second
constexpr auto kPatience = milliseconds(200);     // how long the shipper waits for the doorbell

// The same clock in all processes.
double now_ms() {
  return std::chrono::duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// Appends one event at a time and sends when each append began; then holds the queue open until it
// is told to end.
Result<void> write_events(const queue::InstancePaths& paths, int events, const Parent& parent) {
  EventPool pool(kEventBytes, 2);
  SLUICE_ASSIGN(const auto writer, open_writer(paths));
  parent.send({});
  parent.wait();
  std::vector<double> began;
  queue::Append append;
  auto next = steady_clock::now();
  for (int i = 0; i < events; ++i) {
    std::this_thread::sleep_until(next += kBetweenEvents);
    pool.fill(Lane::kAudit, 1, &append);
    began.push_back(now_ms());
    SLUICE_TRY(writer->append(append));
  }
  parent.send({{"began", std::move(began)}});
  parent.wait();
  return {};
}

// Looks into both lanes as the shipper does, then sleeps until the doorbell rings.
Result<std::size_t> look_and_wait(queue::Reader* reader, queue::Seq next) {
  const std::uint32_t bell = reader->doorbell();
  SLUICE_ASSIGN(const auto batch, reader->read(Lane::kAudit, next, {}));
  SLUICE_TRY(reader->read(Lane::kSession, 1, {}));
  if (batch.empty()) reader->wait(bell, kPatience);
  return batch.records().size();
}

// Sends when each event was there, and what reading them cost; then what waiting costs.
Result<void> read_events(const Setup& setup, const queue::InstancePaths& paths, int events,
                         const Parent& parent) {
  SLUICE_ASSIGN(const auto reader, open_reader(paths, "latency"));
  parent.send({});
  Values values;
  const auto share = [](double processor, const Stopwatch& watch) {
    return 100 * (processor_seconds() - processor) / watch.seconds();
  };
  double processor = processor_seconds();
  const Stopwatch busy;
  for (queue::Seq next = 1; std::cmp_less_equal(next, events);) {
    SLUICE_ASSIGN(const std::size_t found, look_and_wait(reader.get(), next));
    values["seen"].insert(values["seen"].end(), found, now_ms());
    next += found;
  }
  values["busy"].push_back(share(processor, busy));
  for (int round = 0; round < kRounds; ++round) {
    processor = processor_seconds();
    const Stopwatch idle;
    while (idle.seconds() < setup.amount(4.0, 0.1)) {
      SLUICE_TRY(look_and_wait(reader.get(), static_cast<queue::Seq>(events) + 1));
    }
    values["idle"].push_back(share(processor, idle));
  }
  parent.send(values);
  return {};
}

}  // namespace

Result<void> measure_latency(const Setup& setup, Report* report) {
  const ScratchFolder folder(setup.folder / "latency");
  const queue::InstancePaths paths = instance_at(folder.path());
  const std::size_t round_events = setup.amount<std::size_t>(600, 10);
  const int events = static_cast<int>(round_events) * kRounds;
  SLUICE_ASSIGN(Child writer, Child::start("the writer", [&](const Parent& parent) {
                  return write_events(paths, events, parent);
                }));
  SLUICE_TRY(writer.receive());
  SLUICE_ASSIGN(Child reader, Child::start("the reader", [&](const Parent& parent) {
                  return read_events(setup, paths, events, parent);
                }));
  SLUICE_TRY(reader.receive());
  writer.go_on();
  SLUICE_ASSIGN(Values written, writer.receive());
  SLUICE_ASSIGN(Values read, reader.receive());
  writer.go_on();
  SLUICE_TRY(reader.finish());
  SLUICE_TRY(writer.finish());

  std::vector<double> p50;
  std::vector<double> p99;
  for (std::size_t first = 0; first < read["seen"].size(); first += round_events) {
    std::vector<double> took;
    for (std::size_t i = first; i < first + round_events; ++i) {
      took.push_back(read["seen"][i] - written["began"][i]);
    }
    p50.push_back(quantile(took, 0.5));
    p99.push_back(quantile(took, 0.99));
  }
  report->add("append to seen by another process, p50", below(1), "{:.2f} ms", p50);
  report->add("append to seen by another process, p99", below(3), "{:.2f} ms", p99);
  report->add("reader of 200 events/s, share of a core", {}, "{:.2f} %", read["busy"]);
  report->add("reader that waits, share of a core", below(1), "{:.2f} %", read["idle"]);
  return {};
}

}  // namespace sluice::bench
