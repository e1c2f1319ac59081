#include "shipper/shipper.h"

#include <chrono>
#include <optional>

#include "common/backoff.h"
#include "common/lifecycle.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/metrics_server.h"
#include "common/process_note.h"
#include "common/time.h"
#include "queue/control_page.h"
#include "queue/daemon_note.h"
#include "queue/damage_advice.h"
#include "queue/instance.h"
#include "shipper/fluentd/client_certificate.h"
#include "shipper/fluentd/make_transport.h"
#include "shipper/generation.h"
#include "shipper/heartbeat_sender.h"
#include "shipper/lane_log.h"
#include "shipper/shipper_metrics.h"
#include "shipper/sink_watch.h"

namespace sluice::shipper {
namespace {

// Between generations.
constexpr std::chrono::milliseconds kReopenWaitMin{1000};
constexpr std::chrono::milliseconds kReopenWaitMax{60'000};

// Another try with the same files cannot end otherwise, or must not be made without a person.
bool is_final(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kHole:
    case ErrorKind::kCorrupt:
    case ErrorKind::kFormat:
    case ErrorKind::kIdentity:
    case ErrorKind::kInternal:
    case ErrorKind::kConfig:
      return true;
    default:
      return false;
  }
}

// A certificate that Fluentd will refuse may be renewed while a daemon runs, which therefore only
// tells. A run that is to end by itself has somebody waiting for its exit status.
Result<void> check_certificate(const Config& config) {
  if (config.fluentd.cert.empty()) return {};
  auto checked =
      fluentd::check_client_certificate(fluentd::tls_files(config.fluentd), system_clock().now());
  if (checked || config.shipper.exit_when_drained) return checked;
  log_message(message::kClientCertificateBad, {}, "{}", checked.error().message);
  return {};
}

// A run that is to end by itself gives up when it cannot reach Fluentd at all.
bool gives_up(const Config& config, ErrorKind kind) {
  return config.shipper.exit_when_drained &&
         (kind == ErrorKind::kUnavailable || kind == ErrorKind::kUnauthorized);
}

}  // namespace

Result<void> run_shipper(const Config& config, const std::stop_token& stop) {
  SLUICE_TRY(check_certificate(config));
  queue::PerLane<LaneCounters> counters;
  LaneLog audit_log(queue::Lane::kAudit);
  LaneLog session_log(queue::Lane::kSession);
  StatusLine status(&counters, system_clock());
  SinkWatch watch(&config, &system_clock());
  HeartbeatCounters heartbeats;
  ShipperMetrics metrics(&config, &system_clock(), &counters, &heartbeats,
                         [&watch] { return watch.report(); });
  SLUICE_ASSIGN(const auto metrics_server,
                MetricsServer::start_if_possible(
                    {.address = config.shipper.metrics_address,
                     .fill = [&metrics](MetricsPage* page) { metrics.fill(page); },
                     .why_not_ready = [&metrics] { return metrics.why_not_ready(); }}));
  SLUICE_ASSIGN(const auto heartbeat,
                HeartbeatSender::start(
                    {.config = &config,
                     .clock = &system_clock(),
                     .counters = &heartbeats,
                     .tally = watch.tally(),
                     .on_connected = [&watch](const auto& server) { watch.connected(server); },
                     .state = [&metrics] { return metrics.state(); }}));
  GenerationOptions options{
      .config = &config,
      .clock = &system_clock(),
      .counters = &counters,
      .observers = {},
      .status = &status,
      .metrics = &metrics,
      .tally = watch.tally(),
      .on_connected = [&watch](const auto& server) { watch.connected(server); },
      .sink_report = [&watch] { return watch.report(); }};
  options.observers[queue::Lane::kAudit] = &audit_log;
  options.observers[queue::Lane::kSession] = &session_log;

  std::optional<queue::NoteKeeper> note;
  Backoff backoff(kReopenWaitMin, kReopenWaitMax);
  RepeatedMessage reopening(message::kDeliveryReopened,
                            "sending has stopped, the delivery store is opened anew");
  for (bool is_first = true; !stop.stop_requested(); is_first = false) {
    const auto begin = system_clock().monotonic();
    auto generation = Generation::open(options);
    // A file system that is full at the start is waited for, as one that becomes full later.
    const bool waits = !generation && generation.error().kind == ErrorKind::kNoSpace;
    if (!generation && is_first && !waits) return fail(generation.error());
    if (is_first) {
      notify_ready();
      note.emplace(queue::InstancePaths{config.queue_path}.shipper_page(),
                   queue::PageRole::kShipper);
    }
    const auto done =
        generation ? (*generation)->run(stop) : Result<void>(fail(generation.error()));
    if (done && config.shipper.exit_when_drained && !stop.stop_requested()) watch.finish();
    if (done || is_final(done.error().kind) || stop.stop_requested()) {
      // What the store reports has its own advice.
      return queue::with_queue_advice(done, {config.queue_path});
    }
    if (gives_up(config, done.error().kind)) return done;
    if (generation) generation->reset();
    metrics.begin_wait(done.error().message);
    if (system_clock().monotonic() - begin > kReopenWaitMax) backoff.reset();
    reopening.failed(done.error().message);
    note_state("waiting: " + done.error().message);
    sleep_for(stop, backoff.next());
  }
  return {};
}

}  // namespace sluice::shipper
