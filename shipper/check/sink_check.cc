#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/files.h"
#include "shipper/check/shipper_checks.h"
#include "shipper/destination.h"
#include "shipper/fluentd/client_certificate.h"
#include "shipper/fluentd/make_transport.h"
#include "shipper/fluentd/sink_look.h"
#include "shipper/monitor/monitor_client.h"

namespace sluice::shipper {
namespace {

constexpr const char* kFluentd = "fluentd";
constexpr const char* kMonitor = "monitor";

// One URL of each server.
std::vector<std::string> servers_of(const FluentdConfig& config) {
  std::vector<std::string> servers;
  for (const auto* urls : {&config.urls, &config.session_urls}) {
    for (const std::string& url : *urls) {
      const bool is_known = std::ranges::any_of(
          servers, [&](const std::string& other) { return is_same_server(other, url); });
      if (!is_known) servers.push_back(url);
    }
  }
  return servers;
}

// Whether all is there that a connection needs; what is wrong with it has been said.
bool can_connect(const FluentdConfig& config) {
  for (const auto* file : {&config.ca, &config.cert, &config.key, &config.key_passphrase_file,
                           &config.shared_key_file, &config.password_file}) {
    if (!file->empty() && !check_readable(*file)) return false;
  }
  return config.cert.empty() ||
         fluentd::load_client_certificate(fluentd::tls_files(config)).has_value();
}

std::string describe(const fluentd::SinkLook& look, Timestamp now) {
  std::string text =
      fmt::format("{}: connected in {}", look.server, format_duration(look.connected_after));
  if (look.tls) {
    const auto left = std::chrono::seconds(look.tls->certificate.not_after.seconds - now.seconds);
    text += fmt::format(", {}, its certificate is trusted and expires in {}", look.tls->version,
                        format_duration(left));
  }
  if (look.http_status) text += fmt::format(", answers GET / with {}", *look.http_status);
  if (look.shook_hands) text += ", knows the shared key";
  return text;
}

Finding judge(const fluentd::SinkLook& look, Timestamp now) {
  const std::string text = describe(look, now);
  const int status = look.http_status.value_or(0);
  if (status == 401 || status == 403) {
    return warning(kFluentd, text, "if it asks for a token, set shipper.headers");
  }
  if (status >= 500) return warning(kFluentd, text, "look at its own log");
  return found_ok(kFluentd, text);
}

}  // namespace

void check_sinks(const CheckContext& context, Findings* findings) {
  if (context.offline) {
    findings->push_back(not_looked_at(kFluentd, "Fluentd is not asked (--offline)"));
    return;
  }
  if (!can_connect(context.config.fluentd)) {
    findings->push_back(
        not_looked_at(kFluentd, "Fluentd is not asked without the files that it takes"));
    return;
  }
  bool is_reached = false;
  for (const std::string& url : servers_of(context.config.fluentd)) {
    const auto look = fluentd::look_at_sink(url, context.config, context.stop);
    findings->push_back(look ? judge(*look, context.clock.now())
                             : cannot_look(context, kFluentd, look.error()));
    is_reached = is_reached || look.has_value();
  }
  if (!is_reached) return;
  findings->push_back(not_looked_at(kFluentd,
                                    "whether it takes events is not tried, since that needs one",
                                    "sluice-shipper probe sends one that is marked"));
}

void check_monitors(const CheckContext& context, Findings* findings) {
  const auto& urls = context.config.shipper.monitor_urls;
  if (urls.empty()) {
    findings->push_back(not_looked_at(
        kMonitor, "shipper.monitor-url is not set, so what Fluentd counts is not seen"));
    return;
  }
  if (context.offline) {
    findings->push_back(
        not_looked_at(kMonitor, "Fluentd's monitor_agent is not asked (--offline)"));
    return;
  }
  for (const std::string& url : urls) {
    MonitorClient client(url, context.config.fluentd.ca);
    const auto answer = client.ask(context.stop);
    findings->push_back(
        answer ? found_ok(kMonitor, fmt::format("{}: {} plugins", url, answer->plugins.size()))
               : warning(kMonitor, answer.error().message,
                         "events are shipped all the same; see to monitor_agent"));
  }
}

}  // namespace sluice::shipper
