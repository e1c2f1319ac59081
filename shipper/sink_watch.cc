#include "shipper/sink_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "common/backoff.h"
#include "common/forward_url.h"
#include "common/log.h"
#include "common/message_kinds.h"
#include "common/process_note.h"
#include "shipper/destination.h"
#include "shipper/fluentd/client_certificate.h"
#include "shipper/fluentd/make_transport.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCertificateInterval{60'000};
constexpr milliseconds kStartPatience{2000};

std::string input_type(const FluentdConfig& config) {
  return is_forward_url(config.urls.front()) ? "forward" : "http";
}

}  // namespace

SinkWatch::SinkWatch(const Config* config, const Clock* clock)
    : config_(config), clock_(clock), expiry_(clock) {
  const ShipperConfig& shipper = config->shipper;
  if (!shipper.monitor_urls.empty()) {
    SinkMonitorOptions options{.processes = {},
                               .plugin_ids = shipper.monitor_plugin_ids,
                               .input_type = input_type(config->fluentd),
                               .tally = &tally_,
                               .clock = clock};
    clients_.reserve(shipper.monitor_urls.size());
    for (const std::string& url : shipper.monitor_urls) {
      MonitorClient& client = clients_.emplace_back(url, config->fluentd.ca);
      options.processes.push_back(
          {.url = client.url(), .ask = [this, &client] { return client.ask(stop_); }});
    }
    monitor_ = std::make_unique<SinkMonitor>(std::move(options));
    if (!std::ranges::equal(config->fluentd.urls, config->fluentd.session_urls, is_same_server)) {
      log_message(
          message::kComparedPartly, {},
          "events of recordings go to another server than audit events: what Fluentd counts is "
          "compared for audit events only");
    }
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  if (monitor_) [[maybe_unused]]
    const bool has_looked = first_look_.try_acquire_for(kStartPatience);
}

SinkWatch::~SinkWatch() = default;

void SinkWatch::run(const std::stop_token& stop) {
  stop_ = stop;
  const milliseconds interval = monitor_ ? config_->shipper.monitor_interval : kCertificateInterval;
  if (monitor_) monitor_->look();
  first_look_.release();
  auto certificates_at = clock_->monotonic();
  do {
    if (clock_->monotonic() >= certificates_at) {
      look_at_certificates();
      certificates_at = clock_->monotonic() + kCertificateInterval;
    }
    if (!sleep_for(stop, interval)) return;
    if (monitor_) monitor_->look();
  } while (!stop.stop_requested());
}

void SinkWatch::look_at_certificates() {
  const fluentd::TlsFiles files = fluentd::tls_files(config_->fluentd);
  if (!files.cert.empty()) {
    if (const auto times = fluentd::times_of_certificate_in(files.cert)) {
      expiry_.seen("client", fmt::format("the client certificate {}", files.cert.string()), *times);
    }
  }
  expiry_.look();
  note_certificates();
}

// One after the other, so that what is known last is what stays.
void SinkWatch::note_certificates() {
  const std::lock_guard lock(noting_);
  std::map<std::string, std::int64_t> ends_ms;
  for (const auto& certificate : expiry_.certificates()) {
    ends_ms.emplace(certificate.whose, certificate.ends_ms);
  }
  sluice::note_certificates(std::move(ends_ms));
}

void SinkWatch::connected(const fluentd::ServerTls& server) {
  expiry_.seen("server", fmt::format("Fluentd's certificate ({})", server.subject),
               server.certificate);
  // A server whose certificate is itself what is trusted has none above it.
  if (server.authority.not_after.seconds != 0) {
    expiry_.seen("authority",
                 fmt::format("the authority of Fluentd's certificate ({})", server.issuer),
                 server.authority);
  }
  note_certificates();
}

queue::SinkReport SinkWatch::report() const {
  queue::SinkReport report;
  report.certificates = expiry_.certificates();
  if (monitor_) {
    report.count = monitor_->count();
    report.warnings = monitor_->warnings();
  }
  return report;
}

// What is missing is told at the second look that finds it.
void SinkWatch::finish() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  if (!monitor_) return;
  stop_ = {};
  monitor_->look();
  monitor_->look();
}

}  // namespace sluice::shipper
