#include "tests/bench/measure_size.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

#include "tests/bench/child.h"
#include "tests/bench/event_pool.h"

namespace sluice::bench {
namespace {

using queue::Lane;

struct Case {
  std::size_t body_bytes;
  std::uint64_t events;
};
// Enough for several flushes and compactions of each.
constexpr std::array kCases = {Case{200, 1'500'000}, Case{1024, 500'000}, Case{4096, 150'000}};
constexpr std::size_t kBatchEvents = 100;

struct Cost {
  double body_bytes;
  double on_disk;  // bytes an event, at rest
  double written;  // bytes an event, logs and compactions included
};

Result<void> append_all(queue::Writer* writer, Lane lane, const Case& what, std::uint64_t events) {
  EventPool pool(what.body_bytes, 6);
  queue::Append append;
  for (std::uint64_t done = 0; done < events; done += kBatchEvents) {
    pool.fill(lane, kBatchEvents, &append);
    SLUICE_TRY(writer->append(append));
  }
  wait_until_quiet();
  return {};
}

Result<void> measure(const Setup& setup, const Case& what, Lane lane, const Parent& parent) {
  const ScratchFolder folder(setup.folder / fmt::format("size-{}", what.body_bytes));
  const queue::InstancePaths paths = instance_at(folder.path());
  const std::uint64_t events = setup.amount<std::uint64_t>(what.events, 1000);
  const double before = bytes_written();
  SLUICE_ASSIGN(auto writer, open_writer(paths));
  SLUICE_TRY(append_all(writer.get(), lane, what, events));
  writer.reset();
  // Opening writes what is still in the log into tables.
  SLUICE_ASSIGN(writer, open_writer(paths));
  wait_until_quiet();
  const auto count = static_cast<double>(events);
  parent.send({{"on_disk", {table_bytes(paths) / count}},
               {"written", {(bytes_written() - before) / count}}});
  return {};
}

// The straight line through the costs, by least squares: bytes an event = own + share * body.
struct Line {
  double own = 0;
  double share = 0;
};
Line line_through(const std::vector<Cost>& costs, double Cost::* cost) {
  double mean_x = 0;
  double mean_y = 0;
  for (const Cost& each : costs) {
    mean_x += each.body_bytes / static_cast<double>(costs.size());
    mean_y += each.*cost / static_cast<double>(costs.size());
  }
  double covariance = 0;
  double variance = 0;
  for (const Cost& each : costs) {
    covariance += (each.body_bytes - mean_x) * (each.*cost - mean_y);
    variance += (each.body_bytes - mean_x) * (each.body_bytes - mean_x);
  }
  const double share = covariance / variance;
  return {.own = mean_y - share * mean_x, .share = share};
}

std::string table_of(Lane lane, const std::vector<Cost>& costs) {
  std::string text = fmt::format(
      "| lane {}: bytes of JSON | bytes on disk | of the JSON | bytes written | write "
      "amplification |\n|---|---|---|---|---|\n",
      queue::name_of(lane));
  for (const Cost& cost : costs) {
    text += fmt::format("| {:.0f} | {:.0f} | {:.0f} % | {:.0f} | {:.2f} |\n", cost.body_bytes,
                        cost.on_disk, 100 * cost.on_disk / cost.body_bytes, cost.written,
                        cost.written / cost.body_bytes);
  }
  return text;
}

}  // namespace

Result<void> measure_size(const Setup& setup, Report* report) {
  for (const Lane lane : queue::kLanes) {
    std::vector<Cost> costs;
    for (const Case& what : kCases) {
      SLUICE_ASSIGN(Values found, run_child("the size measurement", [&](const Parent& parent) {
                      return measure(setup, what, lane, parent);
                    }));
      costs.push_back(
          {static_cast<double>(what.body_bytes), found["on_disk"].at(0), found["written"].at(0)});
    }
    report->add_text(table_of(lane, costs));
    const Line disk = line_through(costs, &Cost::on_disk);
    const Line writes = line_through(costs, &Cost::written);
    report->add_text(fmt::format(
        "Lane {}: an event whose JSON has B bytes takes about {:.0f} + {:.2f} B bytes on the disk, "
        "and about {:.0f} + {:.2f} B bytes are written for it.\n",
        queue::name_of(lane), disk.own, disk.share, writes.own, writes.share));
  }
  return {};
}

}  // namespace sluice::bench
