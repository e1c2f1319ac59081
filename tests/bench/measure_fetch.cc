#include "tests/bench/measure_fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "common/log.h"
#include "common/memory.h"
#include "fetcher/ingest/event_filter.h"
#include "fetcher/ingest/ingest_loop.h"
#include "fetcher/ingest/lane_buffers.h"
#include "fetcher/source/bulk_export.h"
#include "fetcher/teleport/client.h"
#include "tests/bench/certificates.h"
#include "tests/bench/child.h"
#include "tests/bench/export_server.h"
#include "tests/bench/stock_fetch.h"
#include "tests/support/allocation_counter.h"

namespace sluice::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kSeed = 12;
constexpr int kRounds = 7;
constexpr std::size_t kChunkEvents = 8'000;
constexpr std::size_t kChunks = 25;
// The stock path reads fewer in a round, so that both take about as long.
constexpr std::size_t kStockChunks = 5;
constexpr milliseconds kWait{250};

// Puts all that the server has, or so many chunks of it, into the buffers; may go on after that
// until asked to stop.
using Source =
    std::function<Result<void>(std::size_t chunks, fetcher::LaneBuffers*, const std::stop_token&)>;

// Takes so many events from the buffers, or fewer when asked to stop.
using Sink =
    std::function<Result<void>(std::size_t events, fetcher::LaneBuffers*, const std::stop_token&)>;

struct Cost {
  double events = 0;
  double rate = 0;       // events a second
  double processor = 0;  // µs of this process an event
};

Result<Cost> run_round(const Source& source, const Sink& sink, const ExportPlan& plan,
                       std::size_t chunks) {
  fetcher::LaneBuffers buffers(FetcherConfig().buffer_bytes);
  const std::size_t events = chunks * plan.events_per_chunk;
  Result<void> fetched;
  Result<void> taken;
  std::stop_source no_more;
  const double processor = processor_seconds();
  const Stopwatch watch;
  {
    const std::jthread fetching([&](const std::stop_token& stop) {
      fetched = source(chunks, &buffers, stop);
      if (!fetched) no_more.request_stop();
    });
    taken = sink(events, &buffers, no_more.get_token());
  }
  SLUICE_TRY(fetched);
  SLUICE_TRY(taken);
  const auto count = static_cast<double>(events);
  return Cost{count, count / watch.seconds(), 1e6 * (processor_seconds() - processor) / count};
}

TeleportConfig teleport_config(const ExportPlan& plan, int port) {
  TeleportConfig config;
  config.addr = fmt::format("127.0.0.1:{}", port);
  config.mode = TeleportMode::kDirect;
  config.identity = plan.certificates / "identity";
  return config;
}

Source fetcher_source(const ExportPlan& plan, fetcher::EventApi* api) {
  return [&plan, api](std::size_t /*chunks*/, fetcher::LaneBuffers* buffers,
                      const std::stop_token& stop) -> Result<void> {
    fetcher::BulkExportOptions options;
    options.start_time = start_of_day(plan.day);
    fetcher::TeleportClock teleport_clock(system_clock());
    fetcher::BulkExport(options, {}, api, buffers, system_clock(), &teleport_clock).run(stop);
    return {};
  };
}

Source stock_source(const ExportPlan& plan, StockFetch* stock) {
  return [&plan, stock](std::size_t chunks, fetcher::LaneBuffers* buffers,
                        const std::stop_token& stop) {
    return stock->read(plan.day, chunks, buffers, stop);
  };
}

Result<void> drop(std::size_t events, fetcher::LaneBuffers* buffers, const std::stop_token& stop) {
  std::vector<fetcher::Item> batch;
  while (events > 0 && !stop.stop_requested()) {
    batch.clear();
    buffers->take({}, kWait, stop, &batch);
    for (const fetcher::Item& item : batch) {
      if (std::holds_alternative<fetcher::Reject>(item.content)) {
        return fail(ErrorKind::kInternal, "an event of the benchmark was rejected");
      }
      if (std::holds_alternative<fetcher::Event>(item.content)) --events;
    }
  }
  return {};
}

// As a Generation does it, until all is on the disk.
Sink queue_sink(queue::Writer* writer) {
  return [writer](std::size_t events, fetcher::LaneBuffers* buffers,
                  const std::stop_token& stop) -> Result<void> {
    const fetcher::EventFilter filter(FetcherConfig(), Timestamp{});
    fetcher::IngestLoop loop(writer, buffers, &filter, system_clock(), 0, {}, {});
    const auto& counts = loop.counts();
    while (counts.queued[queue::Lane::kAudit] < events && !stop.stop_requested()) {
      if (writer->is_tending_due()) SLUICE_TRY(writer->tend());
      SLUICE_TRY(loop.step(kWait, stop));
    }
    SLUICE_TRY(writer->sync());
    if (counts.duplicates[queue::Lane::kAudit] + counts.rejected[queue::Lane::kAudit] > 0) {
      return fail(ErrorKind::kInternal, "an event of the benchmark was rejected, or came twice");
    }
    return {};
  };
}

// The two paths, and what is on the way of both.
struct Paths {
  const ExportPlan& plan;
  const Sink& sink;
  Source ours;
  Source stock;

  Result<Cost> run(bool our_turn) const {
    const std::size_t chunks = our_turn ? plan.chunks : std::min(kStockChunks, plan.chunks);
    auto cost = run_round(our_turn ? ours : stock, sink, plan, chunks);
    // What the queue still does behind must not slow the next one down.
    wait_until_quiet();
    return cost;
  }
};

// Allocations an event; this round also connects and fills caches.
Result<double> count_allocations(const Paths& paths, bool our_turn) {
  const AllocationCounter allocations;
  SLUICE_ASSIGN(const Cost cost, paths.run(our_turn));
  return static_cast<double>(allocations.count()) / cost.events;
}

Result<void> measure(const Setup& setup, const ExportPlan& plan, int port, const Sink& sink,
                     const Parent& parent) {
  SLUICE_ASSIGN(const auto client,
                fetcher::TeleportClient::create(teleport_config(plan, port), system_clock()));
  // The bulk export would repeat for ever what fails.
  SLUICE_TRY(client->list_chunks(plan.day, {}));
  SLUICE_ASSIGN(StockFetch stock, StockFetch::connect(port, plan.certificates));
  const Paths paths{plan, sink, fetcher_source(plan, client.get()), stock_source(plan, &stock)};
  Values values;
  for (const bool our_turn : {true, false}) {
    SLUICE_ASSIGN(const double allocations, count_allocations(paths, our_turn));
    values[our_turn ? "ours-allocations" : "stock-allocations"] = {allocations};
  }
  for (int round = 0; round < setup.amount(kRounds, 2); ++round) {
    Cost ours;
    Cost theirs;
    // In an order that changes from round to round.
    for (const bool our_turn : {round % 2 == 0, round % 2 != 0}) {
      SLUICE_ASSIGN((our_turn ? ours : theirs), paths.run(our_turn));
    }
    values["ours"].push_back(ours.rate);
    values["stock"].push_back(theirs.rate);
    values["ratio"].push_back(ours.rate / theirs.rate);
    values["ours-processor"].push_back(ours.processor);
    values["stock-processor"].push_back(theirs.processor);
  }
  parent.send(values);
  return {};
}

// Runs the measurement in a child, against a server in another.
Result<Values> measure_against_server(
    const Setup& setup, const std::filesystem::path& folder,
    const std::function<Result<void>(const ExportPlan& plan, int port, const Parent&)>&
        measurement) {
  SLUICE_TRY(make_certificates(folder));
  const ExportPlan plan{.day = day_of(system_clock().now()),
                        .chunks = setup.amount<std::size_t>(kChunks, 6),
                        .events_per_chunk = setup.amount<std::size_t>(kChunkEvents, 100),
                        .seed = kSeed,
                        .certificates = folder / "teleport"};
  SLUICE_ASSIGN(Child server, Child::start("the server", [&](const Parent& parent) {
                  return serve_export(plan, parent);
                }));
  SLUICE_ASSIGN(const Values serving, server.receive());
  const int port = static_cast<int>(serving.at("port").front());
  SLUICE_ASSIGN(Values values, run_child("the fetching measurement", [&](const Parent& parent) {
                  init_logging("bench-fetch", false);
                  keep_freed_memory();  // as the fetcher does
                  return measurement(plan, port, parent);
                }));
  server.go_on();
  SLUICE_TRY(server.finish());
  return values;
}

void report_both(const std::string& where, double target, Values* values, Report* report) {
  Values& found = *values;
  report->add(fmt::format("from a local server {}", where), at_least(target), "{:.0f} events/s",
              found["ours"]);
  report->add(fmt::format("the same {} by the stock path", where), {}, "{:.0f} events/s",
              found["stock"]);
  report->add(fmt::format("{}, times as quick as that", where), {}, "{:.1f}", found["ratio"]);
  for (const std::string path : {"ours", "stock"}) {
    report->add(fmt::format("{}, {}: processor time an event, without the server's", where, path),
                {}, "{:.1f} µs", found[path + "-processor"]);
    report->add(fmt::format("{}, {}: allocations an event (operator new)", where, path), {},
                "{:.1f}", found[path + "-allocations"]);
  }
}

}  // namespace

Result<void> measure_fetch_to_nothing(const Setup& setup, Report* report) {
  const ScratchFolder folder(setup.folder / "fetch");
  SLUICE_ASSIGN(Values values,
                measure_against_server(setup, folder.path(),
                                       [&](const ExportPlan& plan, int port, const Parent& parent) {
                                         return measure(setup, plan, port, drop, parent);
                                       }));
  report_both("into a null sink", 100'000, &values, report);
  report->add_text(fmt::format(
      "From a local server: {} chunks of {} events (the stock path: {} chunks), events of seed {}, "
      "five chunks at once; the server, a process of its own, shares the processors.\n",
      kChunks, kChunkEvents, kStockChunks, kSeed));
  return {};
}

Result<void> measure_fetch_to_queue(const Setup& setup, Report* report) {
  const ScratchFolder folder(setup.folder / "fetch-queue");
  SLUICE_ASSIGN(Values values,
                measure_against_server(
                    setup, folder.path(),
                    [&](const ExportPlan& plan, int port, const Parent& parent) -> Result<void> {
                      SLUICE_ASSIGN(const auto writer,
                                    open_writer(instance_at(folder.path() / "instance")));
                      return measure(setup, plan, port, queue_sink(writer.get()), parent);
                    }));
  report_both("into the synced queue", 60'000, &values, report);
  return {};
}

}  // namespace sluice::bench
