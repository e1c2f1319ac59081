#include "tests/bench/measure_ship.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "common/config.h"
#include "tests/bench/certificates.h"
#include "tests/bench/child.h"
#include "tests/bench/delay_proxy.h"
#include "tests/bench/null_sink.h"
#include "tests/bench/shipping.h"

namespace sluice::bench {
namespace {

using std::chrono::milliseconds;

constexpr int kRounds = 5;
constexpr std::array kRoundTrips = {milliseconds(0), milliseconds(1), milliseconds(25)};
constexpr double kDownSeconds = 3;
constexpr double kDrainPatienceSeconds = 300;

constexpr Way kOneByOne = {"one event a request on one connection", BodyForm::kSingle, 1};
constexpr Way kArray = {"array", BodyForm::kArray, 4};
constexpr std::array kWays = {Way{"single", BodyForm::kSingle, 4}, kArray,
                              Way{"forward", BodyForm::kEntries, 4}};

Result<void> drain_after_outage(const ShipPlan& plan, int port, const Parent& parent) {
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

Result<void> measure_round_trip(const ShipPlan& plan, int port, milliseconds round_trip,
                                Report* report) {
  Values found;
  const auto run = [&](const Way& way) -> Result<double> {
    SLUICE_ASSIGN(Values values, run_child("the shipper", [&](const Parent& parent) {
                    return ship_for_a_while(plan, way, port, {}, parent);
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

Result<void> measure_ship(const ShipPlan& plan, Report* report) {
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
  const ShipPlan plan{.setup = setup,
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
