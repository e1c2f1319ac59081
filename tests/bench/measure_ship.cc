#include "tests/bench/measure_ship.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "common/config.h"
#include "common/log.h"
#include "common/memory.h"
#include "shipper/generation.h"
#include "shipper/lane_log.h"
#include "tests/bench/certificates.h"
#include "tests/bench/child.h"
#include "tests/bench/delay_proxy.h"
#include "tests/bench/event_pool.h"
#include "tests/bench/null_sink.h"

namespace sluice::bench {
namespace {

using queue::Lane;
using std::chrono::milliseconds;

constexpr std::uint64_t kSeed = 14;
constexpr std::uint64_t kBatchEvents = 500;
constexpr int kRounds = 5;
constexpr std::array kRoundTrips = {milliseconds(0), milliseconds(1), milliseconds(25)};
constexpr double kPatienceSeconds = 30;
constexpr double kDownSeconds = 3;
constexpr double kDrainPatienceSeconds = 300;
constexpr milliseconds kLook{2};

// How events are sent.
struct Way {
  const char* name;
  BodyForm body;
  std::uint32_t connections;
};
constexpr Way kOneByOne = {"one event a request on one connection", BodyForm::kSingle, 1};
constexpr Way kArray = {"array", BodyForm::kArray, 4};
constexpr std::array kWays = {Way{"single", BodyForm::kSingle, 4}, kArray,
                              Way{"forward", BodyForm::kEntries, 4}};

struct Plan {
  const Setup& setup;
  queue::InstancePaths paths;
  std::filesystem::path certificates;  // empty: no TLS
  std::uint64_t events = 0;            // in the audit lane
};

Result<void> fill_queue(const Plan& plan) {
  EventPool pool(kEventBytes, kSeed);
  SLUICE_ASSIGN(auto writer, open_writer(plan.paths));
  queue::Append append;
  for (std::uint64_t left = plan.events; left > 0;) {
    const std::uint64_t now = std::min(left, kBatchEvents);
    pool.fill(Lane::kAudit, now, &append);
    SLUICE_TRY(writer->append(append));
    left -= now;
  }
  writer.reset();
  // Opening writes what is in the log into tables, where a backlog is.
  SLUICE_TRY(open_writer(plan.paths));
  wait_until_quiet();
  return {};
}

Result<void> fill_queue_in_child(const Plan& plan) {
  const auto filled = run_child("the filling", [&](const Parent& parent) -> Result<void> {
    SLUICE_TRY(fill_queue(plan));
    parent.send({});
    return {};
  });
  if (!filled) return fail(filled.error());
  return {};
}

Config config_for(const Plan& plan, const Way& way, int port) {
  const bool tls = !plan.certificates.empty();
  const bool forward = way.body == BodyForm::kEntries;
  const std::string base =
      fmt::format("{}://localhost:{}",
                  forward ? (tls ? "forward+tls" : "forward") : (tls ? "https" : "http"), port);
  Config config;
  config.queue_path = plan.paths.root;
  config.fluentd.urls = {base + "/events.log"};
  config.fluentd.session_urls = {base + "/session"};
  if (tls) {
    config.fluentd.ca = plan.certificates / "ca.crt";
    config.fluentd.cert = plan.certificates / "client.crt";
    config.fluentd.key = plan.certificates / "client.key";
  }
  config.shipper.body = way.body;
  config.shipper.connections = way.connections;
  if (way.body == BodyForm::kSingle) config.shipper.batch_events = 1;
  return config;
}

// The shipper at work on the whole backlog, from its first event on.
class Shipping {
 public:
  static Result<std::unique_ptr<Shipping>> start(const Plan& plan, const Way& way, int port) {
    std::error_code ignored;
    std::filesystem::remove_all(plan.paths.delivery(), ignored);
    std::filesystem::remove_all(plan.paths.shipper(), ignored);
    auto shipping = std::unique_ptr<Shipping>(new Shipping(config_for(plan, way, port)));
    SLUICE_TRY(shipping->open());
    return shipping;
  }

  std::uint64_t acknowledged() const { return counters_[Lane::kAudit].acknowledged; }

  // Returns when so many are, or after so long. The shipper's error, if it ended with one.
  Result<void> wait_for(std::uint64_t acknowledged_min, double seconds) const {
    const Stopwatch watch;
    while (acknowledged() < acknowledged_min && watch.seconds() < seconds) {
      if (has_ended_) return fail(ErrorKind::kIo, "the shipper has ended: " + why_);
      std::this_thread::sleep_for(kLook);
    }
    return {};
  }

 private:
  explicit Shipping(Config config)
      : config_(std::move(config)),
        audit_log_(Lane::kAudit),
        session_log_(Lane::kSession),
        status_(&counters_, system_clock()) {}

  Result<void> open() {
    shipper::GenerationOptions options{.config = &config_,
                                       .clock = &system_clock(),
                                       .counters = &counters_,
                                       .observers = {},
                                       .status = &status_};
    options.observers[Lane::kAudit] = &audit_log_;
    options.observers[Lane::kSession] = &session_log_;
    SLUICE_ASSIGN(generation_, shipper::Generation::open(options));
    running_ = std::jthread([this](const std::stop_token& stop) {
      const auto done = generation_->run(stop);
      why_ = done ? "it was told to" : done.error().message;
      has_ended_ = true;
    });
    return {};
  }

  const Config config_;
  queue::PerLane<shipper::LaneCounters> counters_;
  shipper::LaneLog audit_log_;
  shipper::LaneLog session_log_;
  shipper::StatusLine status_;
  std::unique_ptr<shipper::Generation> generation_;
  std::string why_;
  std::atomic<bool> has_ended_ = false;
  std::jthread running_;
};

// What the daemon's main() does first.
void be_a_shipper() {
  init_logging("bench-ship", false);
  keep_freed_memory();
}

// Connections are opened one after the other, so the first moments do not count.
Result<void> ship_for_a_while(const Plan& plan, const Way& way, int port, const Parent& parent) {
  be_a_shipper();
  SLUICE_ASSIGN(const auto shipping, Shipping::start(plan, way, port));
  SLUICE_TRY(shipping->wait_for(1, kPatienceSeconds));
  if (shipping->acknowledged() == 0) return fail(ErrorKind::kUnavailable, "nothing is delivered");
  SLUICE_TRY(shipping->wait_for(plan.events, plan.setup.amount(0.7, 0.05)));
  const std::uint64_t before = shipping->acknowledged();
  const double processor_before = processor_seconds();
  const Stopwatch watch;
  SLUICE_TRY(shipping->wait_for(plan.events, plan.setup.amount(1.5, 0.3)));
  const double seconds = watch.seconds();
  const auto events = static_cast<double>(shipping->acknowledged() - before);
  const double processor = processor_seconds() - processor_before;
  if (events == 0 && !plan.setup.quick) return fail(ErrorKind::kIo, "the backlog is too small");
  parent.send({{"rate", {events / seconds}},
               {"processor", {1e6 * processor / std::max(events, 1.0)}},
               {"memory", {peak_resident_mib()}}});
  return {};
}

Result<void> drain_after_outage(const Plan& plan, int port, const Parent& parent) {
  be_a_shipper();
  SLUICE_ASSIGN(const auto shipping, Shipping::start(plan, kArray, port));
  SLUICE_TRY(shipping->wait_for(1, plan.setup.amount(kDownSeconds, 0.3)));
  if (shipping->acknowledged() > 0) return fail(ErrorKind::kInternal, "the sink is not down");
  parent.send({{"memory", {peak_resident_mib()}}});
  SLUICE_TRY(shipping->wait_for(plan.events, kDrainPatienceSeconds));
  if (shipping->acknowledged() < plan.events) return fail(ErrorKind::kIo, "it is not drained");
  parent.send({{"memory", {peak_resident_mib()}}});
  return {};
}

Result<int> port_of(Child* server) {
  SLUICE_ASSIGN(const Values serving, server->receive());
  return static_cast<int>(serving.at("port").front());
}

Result<void> end(Child* server) {
  server->go_on();
  return server->finish();
}

Result<void> measure_round_trip(const Plan& plan, int port, milliseconds round_trip,
                                Report* report) {
  Values found;
  const auto run = [&](const Way& way) -> Result<double> {
    SLUICE_ASSIGN(Values values, run_child("the shipper", [&](const Parent& parent) {
                    return ship_for_a_while(plan, way, port, parent);
                  }));
    for (const auto& [name, numbers] : values) {
      found[std::string(way.name) + name].push_back(numbers.front());
    }
    return values.at("rate").front();
  };
  for (int round = 0; round < plan.setup.amount(kRounds, 1); ++round) {
    SLUICE_ASSIGN(const double base, run(kOneByOne));
    for (const Way& way : kWays) {
      SLUICE_ASSIGN(const double rate, run(way));
      found[std::string(way.name) + "ratio"].push_back(rate / base);
    }
  }
  const std::string where =
      fmt::format("{}, {} ms", plan.certificates.empty() ? "plain" : "TLS", round_trip.count());
  report->add(fmt::format("{}: {}", where, kOneByOne.name), {}, "{:.0f} events/s",
              found[std::string(kOneByOne.name) + "rate"]);
  for (const Way& way : kWays) {
    const bool is_array = way.body == BodyForm::kArray;
    const auto figure = [&](const char* name) { return found[std::string(way.name) + name]; };
    report->add(fmt::format("{}: {}", where, way.name),
                is_array && round_trip.count() == 0 ? at_least(300'000) : Target{},
                "{:.0f} events/s", figure("rate"));
    report->add(fmt::format("{}: {}, times the rate of one by one", where, way.name),
                is_array && round_trip.count() == 25 ? at_least(500) : Target{}, "{:.1f}",
                figure("ratio"));
    report->add(fmt::format("{}: {}, processor time of the shipper an event", where, way.name), {},
                "{:.2f} µs", figure("processor"));
    report->add(fmt::format("{}: {}, peak memory of the shipper", where, way.name), below(200),
                "{:.0f} MiB", figure("memory"));
  }
  return {};
}

Result<void> measure_ship(const Plan& plan, Report* report) {
  SLUICE_TRY(fill_queue_in_child(plan));
  SLUICE_ASSIGN(Child sink, Child::start("the sink", [&](const Parent& parent) {
                  return serve_null_sink({.certificates = plan.certificates}, parent);
                }));
  SLUICE_ASSIGN(const int sink_port, port_of(&sink));
  for (const milliseconds round_trip : kRoundTrips) {
    if (round_trip.count() == 0) {
      SLUICE_TRY(measure_round_trip(plan, sink_port, round_trip, report));
      continue;
    }
    SLUICE_ASSIGN(Child proxy, Child::start("the proxy", [&](const Parent& parent) {
                    return serve_delay_proxy(sink_port, round_trip, parent);
                  }));
    SLUICE_ASSIGN(const int port, port_of(&proxy));
    SLUICE_TRY(measure_round_trip(plan, port, round_trip, report));
    SLUICE_TRY(end(&proxy));
  }
  return end(&sink);
}

}  // namespace

Result<void> measure_ship_plain(const Setup& setup, Report* report) {
  const ScratchFolder folder(setup.folder / "plain");
  return measure_ship({.setup = setup,
                       .paths = instance_at(folder.path() / "instance"),
                       .certificates = {},
                       .events = setup.amount<std::uint64_t>(setup.backlog_events, 20'000)},
                      report);
}

Result<void> measure_ship_tls(const Setup& setup, Report* report) {
  const ScratchFolder folder(setup.folder / "tls");
  SLUICE_TRY(make_certificates(folder.path()));
  return measure_ship({.setup = setup,
                       .paths = instance_at(folder.path() / "instance"),
                       .certificates = folder.path() / "fluentd",
                       .events = setup.amount<std::uint64_t>(setup.backlog_events, 20'000)},
                      report);
}

Result<void> measure_ship_memory(const Setup& setup, Report* report) {
  const ScratchFolder folder(setup.folder / "memory");
  const Plan plan{.setup = setup,
                  .paths = instance_at(folder.path() / "instance"),
                  .certificates = {},
                  .events = setup.amount<std::uint64_t>(setup.backlog_events, 20'000)};
  SLUICE_TRY(fill_queue_in_child(plan));
  SLUICE_ASSIGN(Child sink, Child::start("the sink", [&](const Parent& parent) {
                  return serve_null_sink({.certificates = {}, .is_down_at_first = true}, parent);
                }));
  SLUICE_ASSIGN(const int port, port_of(&sink));
  SLUICE_ASSIGN(Child shipper, Child::start("the shipper", [&](const Parent& parent) {
                  return drain_after_outage(plan, port, parent);
                }));
  SLUICE_ASSIGN(Values down, shipper.receive());
  sink.go_on();
  SLUICE_ASSIGN(Values drained, shipper.receive());
  SLUICE_TRY(shipper.finish());
  report->add(fmt::format("peak memory with a backlog of {} events and the sink down", plan.events),
              below(200), "{:.0f} MiB", down["memory"]);
  report->add("peak memory once it is drained", below(200), "{:.0f} MiB", drained["memory"]);
  return end(&sink);
}

}  // namespace sluice::bench
