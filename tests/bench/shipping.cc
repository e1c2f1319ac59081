#include "tests/bench/shipping.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stop_token>

#include "common/log.h"
#include "common/memory.h"
#include "tests/bench/event_pool.h"

namespace sluice::bench {
namespace {

using queue::Lane;

constexpr std::uint64_t kSeed = 14;
constexpr std::uint64_t kBatchEvents = 500;
constexpr double kPatienceSeconds = 30;
constexpr std::chrono::milliseconds kLook{2};

Result<void> fill_queue(const ShipPlan& plan) {
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

Config config_for(const ShipPlan& plan, const Way& way, int port) {
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
  config.shipper.adaptive = way.adaptive;
  if (way.body == BodyForm::kSingle) config.shipper.batch_events = 1;
  return config;
}

}  // namespace

Result<void> fill_queue_in_child(const ShipPlan& plan) {
  const auto filled = run_child("the filling", [&](const Parent& parent) -> Result<void> {
    SLUICE_TRY(fill_queue(plan));
    parent.send({});
    return {};
  });
  if (!filled) return fail(filled.error());
  return {};
}

Result<std::unique_ptr<Shipping>> Shipping::start(const ShipPlan& plan, const Way& way, int port) {
  std::error_code ignored;
  std::filesystem::remove_all(plan.paths.delivery(), ignored);
  std::filesystem::remove_all(plan.paths.shipper(), ignored);
  auto shipping = std::unique_ptr<Shipping>(new Shipping(config_for(plan, way, port)));
  SLUICE_TRY(shipping->open());
  return shipping;
}

Shipping::Shipping(Config config)
    : config_(std::move(config)),
      audit_log_(queue::Lane::kAudit),
      session_log_(queue::Lane::kSession),
      status_(&counters_, system_clock()) {}

Result<void> Shipping::wait_for(std::uint64_t acknowledged_min, double seconds) const {
  const Stopwatch watch;
  while (acknowledged() < acknowledged_min && watch.seconds() < seconds) {
    if (has_ended_) return fail(ErrorKind::kIo, "the shipper has ended: " + why_);
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

Result<void> Shipping::open() {
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

// What the daemon's main() does first.
void be_a_shipper() {
  init_logging("bench-ship", false);
  keep_freed_memory();
}

// Connections are opened one after the other, so the first moments do not count.
Result<void> ship_for_a_while(const ShipPlan& plan, const Way& way, int port, const Window& window,
                              const Parent& parent) {
  be_a_shipper();
  SLUICE_ASSIGN(const auto shipping, Shipping::start(plan, way, port));
  SLUICE_TRY(shipping->wait_for(1, kPatienceSeconds));
  if (shipping->acknowledged() == 0) return fail(ErrorKind::kUnavailable, "nothing is delivered");
  SLUICE_TRY(shipping->wait_for(plan.events, plan.setup.amount(window.before_seconds, 0.05)));
  const std::uint64_t before = shipping->acknowledged();
  const double processor_before = processor_seconds();
  const Stopwatch watch;
  SLUICE_TRY(shipping->wait_for(plan.events, plan.setup.amount(window.seconds, 0.3)));
  const double seconds = watch.seconds();
  const auto events = static_cast<double>(shipping->acknowledged() - before);
  const double processor = processor_seconds() - processor_before;
  if (events == 0 && !plan.setup.quick) return fail(ErrorKind::kIo, "the backlog is too small");
  parent.send({{"rate", {events / seconds}},
               {"processor", {1e6 * processor / std::max(events, 1.0)}},
               {"memory", {peak_resident_mib()}}});
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

}  // namespace sluice::bench
