#include "tests/support/teleport_sim/options.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <map>
#include <string_view>

#include "common/time.h"

namespace sluice::teleport_sim {

namespace {

constexpr const char* kUsage =
    R"(teleport-sim --ca CA.pem --cert CERT.pem --key KEY.pem [options]

Stands in for a Teleport Auth server: audit log, recordings, ping and locks over gRPC with mTLS.

  --listen HOST:PORT          127.0.0.1:0; port 0 takes a free one
  --port-file FILE            gets the port when the server is ready
  --control SOCKET            Unix socket for commands, one a line
  --record FILE               notes each distinct event before it is first sent
  --cluster NAME              sim.example.com
  --mode bulk|search          bulk; search: the export methods answer Unimplemented
  --events N                  1000 audit events
  --days D                    3; the events are spread over that many days up to now
  --sessions K                0; so many of the events are session.upload
  --events-per-session M      0; events of each recording
  --chunk-events N            1000; events of a chunk at most
  --seed S                    1; the same seed and base time make the same events
  --now TIME                  RFC 3339 base time instead of the present
  --rate R                    events appear from the base time on, so many a second
  --chunk-interval MS         2000; with --rate, the time that a chunk covers
  --events-file FILE          audit events from a file, one JSON object a line
  --session-events-file FILE  the events of every recording, likewise
)";

using Setter = std::function<bool(const std::string&)>;

template <typename Number>
Setter set_number(Number* target) {
  return [target](const std::string& text) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), *target);
    return status == std::errc() && end == text.data() + text.size();
  };
}

Setter set_text(std::string* target) {
  return [target](const std::string& text) {
    *target = text;
    return true;
  };
}

Setter set_mode(Options* options) {
  return [options](const std::string& text) {
    options->bulk_export = text == "bulk";
    return text == "bulk" || text == "search";
  };
}

Setter set_time(Timestamp* target) {
  return [target](const std::string& text) {
    const auto time = parse_rfc3339(text);
    if (time) *target = *time;
    return time.has_value();
  };
}

std::map<std::string_view, Setter> make_setters(Options* options) {
  return {
      {"--listen", set_text(&options->listen)},
      {"--ca", set_text(&options->ca_path)},
      {"--cert", set_text(&options->cert_path)},
      {"--key", set_text(&options->key_path)},
      {"--cluster", set_text(&options->cluster)},
      {"--record", set_text(&options->record_path)},
      {"--port-file", set_text(&options->port_file_path)},
      {"--control", set_text(&options->control_path)},
      {"--events-file", set_text(&options->events_file_path)},
      {"--session-events-file", set_text(&options->session_events_file_path)},
      {"--seed", set_number(&options->seed)},
      {"--mode", set_mode(options)},
      {"--events", set_number(&options->plan.events)},
      {"--days", set_number(&options->plan.days)},
      {"--sessions", set_number(&options->plan.sessions)},
      {"--events-per-session", set_number(&options->plan.events_per_session)},
      {"--chunk-events", set_number(&options->plan.chunk_events)},
      {"--rate", set_number(&options->plan.events_per_second)},
      {"--chunk-interval", set_number(&options->plan.chunk_interval_ms)},
      {"--now", set_time(&options->plan.base)},
  };
}

Result<void> check(const Options& options) {
  if (options.ca_path.empty() || options.cert_path.empty() || options.key_path.empty()) {
    return fail(ErrorKind::kUsage, "--ca, --cert and --key are needed");
  }
  if (options.plan.chunk_events == 0 || options.plan.chunk_interval_ms <= 0 ||
      options.plan.events_per_second < 0) {
    return fail(ErrorKind::kUsage,
                "--chunk-events and --chunk-interval must be above 0, --rate 0 or more");
  }
  return {};
}

}  // namespace

const char* usage() { return kUsage; }

Result<Options> parse_options(int argc, char** argv) {
  Options options;
  options.plan.base = system_clock().now();
  const auto setters = make_setters(&options);
  for (int i = 1; i < argc; i += 2) {
    const auto setter = setters.find(argv[i]);
    if (setter == setters.end()) {
      return fail(ErrorKind::kUsage, fmt::format("there is no option {}", argv[i]));
    }
    if (i + 1 == argc) return fail(ErrorKind::kUsage, fmt::format("{} needs a value", argv[i]));
    if (!setter->second(argv[i + 1])) {
      return fail(ErrorKind::kUsage, fmt::format("{} cannot be {}", argv[i], argv[i + 1]));
    }
  }
  SLUICE_TRY(check(options));
  return options;
}

}  // namespace sluice::teleport_sim
