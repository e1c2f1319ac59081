#include "shipper/probe.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/backoff.h"
#include "common/forward_url.h"
#include "common/time.h"
#include "queue/types.h"
#include "shipper/answer.h"
#include "shipper/destination.h"
#include "shipper/fluentd/client_certificate.h"
#include "shipper/fluentd/make_transport.h"
#include "shipper/made_body.h"
#include "shipper/monitor/monitor_client.h"
#include "shipper/monitor/plugins.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kType = "sluice.probe";
constexpr std::string_view kRoute = "sluice-probe";
// How long the sink's count may take to show what was answered, beside other work.
constexpr milliseconds kCountPatience{5000};
constexpr milliseconds kCountPause{200};

template <typename... Values>
void say(std::string_view step, fmt::format_string<Values...> text, Values&&... values) {
  fmt::print("{:<14}{}\n", step, fmt::format(text, std::forward<Values>(values)...));
  std::fflush(stdout);
}

std::string left_until(Timestamp end, Timestamp now) {
  const auto left = std::chrono::seconds(end.seconds - now.seconds);
  return left.count() <= 0 ? "EXPIRED" : "in " + format_duration(left);
}

// What the sink's monitor_agents say together.
struct Counted {
  std::uint64_t by_input = 0;  // or what is configured in its place
  std::uint64_t by_outputs = 0;
};

class Probe {
 public:
  Probe(const Config& config, std::string url, const std::stop_token& stop)
      : config_(config), stop_(stop), url_(std::move(url)) {
    for (const std::string& monitor : config.shipper.monitor_urls) {
      monitors_.emplace_back(monitor, config.fluentd.ca);
    }
  }

  Result<void> run() {
    say("probe", "event {} with the uid {} to {}", kType, uid_, url_);
    SLUICE_TRY(check_certificate());
    SLUICE_TRY(look_before());
    SLUICE_ASSIGN(transport_,
                  fluentd::make_transport(config_, 1, [this](const fluentd::ServerTls& server) {
                    tell_of_server(server);
                  }));
    // The forward protocol has no times that Fluentd would have to read.
    if (!is_forward_url(url_)) SLUICE_TRY(try_times());
    SLUICE_TRY(send_event());
    SLUICE_TRY(look_after());
    if (!time_complaint_.empty()) return fail(ErrorKind::kRejected, time_complaint_);
    say("result", "{}", before_ ? "it arrived" : "it was accepted, which is all that can be seen");
    return {};
  }

 private:
  Result<void> check_certificate() {
    if (config_.fluentd.cert.empty()) return {};
    const Timestamp now = system_clock().now();
    SLUICE_TRY(fluentd::check_client_certificate(fluentd::tls_files(config_.fluentd), now));
    SLUICE_ASSIGN(const auto times, fluentd::times_of_certificate_in(config_.fluentd.cert));
    say("certificate", "ours, {}, ends {}", config_.fluentd.cert.string(),
        left_until(times.not_after, now));
    return {};
  }

  Result<void> look_before() {
    if (monitors_.empty()) {
      say("monitor",
          "not configured, so whether the event arrives cannot be seen: set "
          "shipper.monitor-url to Fluentd's monitor_agent");
      return {};
    }
    SLUICE_ASSIGN(before_, ask_monitors());
    say("monitor", "it has counted {} events of ours and of others so far", before_->by_input);
    return {};
  }

  Result<Counted> ask_monitors() {
    Counted sum;
    for (MonitorClient& monitor : monitors_) {
      SLUICE_ASSIGN(const MonitorAnswer answer, monitor.ask(stop_));
      auto counting = find_counting(answer.plugins, config_.shipper.monitor_plugin_ids,
                                    is_forward_url(url_) ? "forward" : "http");
      if (!counting) {
        return fail(counting.error().kind, monitor.url() + ": " + counting.error().message);
      }
      for (const Plugin* plugin : *counting) sum.by_input += plugin->emit_records.value_or(0);
      sum.by_outputs += emitted_by_outputs(answer.plugins);
    }
    return sum;
  }

  void tell_of_server(const fluentd::ServerTls& server) {
    if (is_told_of_server_) return;
    is_told_of_server_ = true;
    const Timestamp now = system_clock().now();
    say("connection", "made in {}", format_duration(system_clock().monotonic() - sent_at_));
    say("tls", "{}, verified: {} by {}, ends {}{}", server.version, server.subject, server.issuer,
        left_until(server.certificate.not_after, now),
        server.authority.not_after.seconds == 0
            ? ""
            : ", its authority " + left_until(server.authority.not_after, now));
  }

  // One line alone would be taken by who does not take lines.
  std::uint64_t events_in_request() const {
    return config_.shipper.body == BodyForm::kNdjson ? 2 : 1;
  }

  std::string body(const std::string& time) const {
    const nlohmann::ordered_json made = {
        {"event", kType},
        {"uid", uid_},
        {"time", time},
        {"message", "made by sluice-shipper probe; this is no audit event"}};
    return made_body(made.dump(), events_in_request(), config_.shipper.body);
  }

  Result<fluentd::Answer> send(const std::string& time) {
    sent_at_ = system_clock().monotonic();
    transport_->start(++requests_, url_, body(time));
    while (!stop_.stop_requested()) {
      auto answers = transport_->poll(milliseconds(200));
      if (answers.empty()) continue;
      took_ = system_clock().monotonic() - sent_at_;
      if (answers.front().failure) {
        const auto& failure = *answers.front().failure;
        return fail(failure.kind, failure.sentence);
      }
      if (verdict_of(answers.front()) == Verdict::kAccepted) accepted_ += events_in_request();
      return std::move(answers.front());
    }
    return fail(ErrorKind::kStopped, "asked to stop");
  }

  // Fluentd refuses an event whose time it cannot read, and stores nothing then. One that has more
  // behind its seconds than belongs there is refused by who reads all of it.
  Result<void> try_times() {
    SLUICE_ASSIGN(const auto unreadable, send("sluice-probe: not a time"));
    const Verdict verdict = verdict_of(unreadable);
    if (verdict == Verdict::kAccepted) {
      time_complaint_ =
          "the input accepts an event whose time cannot be read, so it does not read times, or "
          "drops "
          "what it cannot parse: its events have a wrong time, or are lost; set time_type string "
          "and "
          "time_format %iso8601 in its <parse>";
      say("time", "an event with an unreadable time is answered {} as well: times are not read",
          unreadable.status);
      return {};
    }
    if (verdict != Verdict::kRefused) {
      return fail(
          verdict == Verdict::kConfiguration ? ErrorKind::kUnauthorized : ErrorKind::kUnavailable,
          describe(unreadable, url_));
    }
    say("time", "an event with an unreadable time is refused ({}): times are read",
        unreadable.status);
    SLUICE_ASSIGN(const auto longer, send(now_with("sluice-probe")));
    if (verdict_of(longer) == Verdict::kAccepted) {
      say("time",
          "what follows the seconds is not read ({}): milliseconds are dropped, and the zone "
          "is the one of Fluentd's host, which must be UTC; time_format %iso8601 and "
          "keep_time_key true keep all of it",
          longer.status);
    } else {
      say("time", "the whole of it is read ({} for one with more behind it)", longer.status);
    }
    say("time", "not to be seen from here: the time that Fluentd's outputs write");
    return {};
  }

  // The time with something else in place of milliseconds and zone.
  static std::string now_with(std::string_view rest) {
    std::string text = format_rfc3339({system_clock().now().seconds, 0});
    text.pop_back();
    return fmt::format("{} {}", text, rest);
  }

  Result<void> send_event() {
    SLUICE_ASSIGN(const auto answer, send(format_rfc3339(system_clock().now())));
    if (verdict_of(answer) != Verdict::kAccepted) {
      const bool is_refused = verdict_of(answer) == Verdict::kRefused;
      return fail(is_refused ? ErrorKind::kRejected : ErrorKind::kUnavailable,
                  describe(answer, url_));
    }
    say("event", "answered {} after {}", answer.status, format_duration(took_));
    return {};
  }

  Result<void> look_after() {
    if (!before_) return {};
    const auto deadline = system_clock().monotonic() + kCountPatience;
    Counted grown;
    do {
      SLUICE_ASSIGN(const Counted now, ask_monitors());
      if (now.by_input < before_->by_input) {
        return fail(ErrorKind::kUnavailable, "Fluentd was started anew meanwhile: try again");
      }
      grown = {.by_input = now.by_input - before_->by_input,
               .by_outputs = now.by_outputs - before_->by_outputs};
      if (std::min(grown.by_input, grown.by_outputs) >= accepted_) break;
    } while (system_clock().monotonic() < deadline && sleep_for(stop_, kCountPause));
    say("arrival", "it has counted {} events more, of {} that were acknowledged{}", grown.by_input,
        accepted_, grown.by_input > accepted_ ? " (others are sent to it, too)" : "");
    say("arrival", "Fluentd's outputs have taken {} events more", grown.by_outputs);
    return judge(grown);
  }

  Result<void> judge(const Counted& grown) const {
    const bool counts_nothing = before_->by_input == 0 && grown.by_input == 0;
    if (counts_nothing && grown.by_outputs >= accepted_) {
      say("arrival",
          "the input does not count: it has an @label, or metrics are off; name the "
          "outputs of our events in shipper.monitor-plugin-id");
      return {};
    }
    if (counts_nothing) {
      return fail(
          ErrorKind::kRejected,
          "the events were acknowledged, and none was ever counted: either they are dropped (look "
          "at "
          "<parse> of the input), or Fluentd does not count (an older one, such as 1.14, needs "
          "enable_input_metrics true in <system>), or shipper.monitor-url does not name the worker "
          "that took them");
    }
    if (grown.by_input < accepted_) {
      return fail(
          ErrorKind::kRejected,
          "events were acknowledged, but did not arrive: look at the input's <parse>, and at "
          "whether shipper.monitor-url names every worker");
    }
    if (grown.by_outputs > 0) return {};
    return fail(ErrorKind::kRejected,
                "the input took the events, but no output has: there is no <match> for their tag, "
                "and Fluentd drops them");
  }

  const Config& config_;
  const std::stop_token& stop_;
  const std::string url_;
  const std::string uid_ = queue::Id128::random().to_string();
  std::vector<MonitorClient> monitors_;
  std::optional<Counted> before_;
  std::unique_ptr<fluentd::Transport> transport_;
  std::string time_complaint_;
  std::uint64_t requests_ = 0;
  std::uint64_t accepted_ = 0;  // events
  milliseconds sent_at_{0};
  milliseconds took_{0};
  bool is_told_of_server_ = false;
};

}  // namespace

Result<void> probe_sink(const Config& config, bool as_recording, const std::stop_token& stop) {
  const auto& urls = as_recording ? config.fluentd.session_urls : config.fluentd.urls;
  const auto lane = as_recording ? queue::Lane::kSession : queue::Lane::kAudit;
  for (const std::string& url : urls) {
    SLUICE_TRY(Probe(config, Destination(lane, url).url_for(kRoute), stop).run());
  }
  return {};
}

DaemonCommand probe_command() {
  const auto as_recording = std::make_shared<bool>(false);
  return {
      .name = "probe",
      .description = "Send marked events to Fluentd and say what becomes of them",
      .takes_config = true,
      .declare =
          [as_recording](CLI::App* parser) {
            parser->add_flag("--session", *as_recording, "Send them where events of recordings go");
          },
      .run = [as_recording](
                 const Config* config,
                 const std::stop_token& stop) { return probe_sink(*config, *as_recording, stop); }};
}

}  // namespace sluice::shipper
