#include "common/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>
#include <variant>

namespace sluice {
namespace {

using Users = Setting::Users;
using enum ValueType;

constexpr std::uint64_t kSecond = 1000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;
constexpr std::uint64_t kKib = 1U << 10;
constexpr std::uint64_t kMib = 1U << 20;
constexpr std::uint64_t kGib = 1U << 30;

const Config& defaults() {
  static const Config config;
  return config;
}

template <typename Field>
void put(const Value& value, Field* field) {
  if constexpr (std::is_same_v<Field, bool>) {
    *field = std::get<bool>(value);
  } else if constexpr (std::is_integral_v<Field>) {
    *field = static_cast<Field>(std::get<std::uint64_t>(value));
  } else if constexpr (std::is_same_v<Field, std::set<std::string>>) {
    const auto& list = std::get<std::vector<std::string>>(value);
    *field = {list.begin(), list.end()};
  } else if constexpr (std::is_same_v<Field, std::optional<Timestamp>>) {
    *field = std::get<Timestamp>(value);
  } else if constexpr (std::is_same_v<Field, std::optional<std::chrono::milliseconds>>) {
    *field = std::get<std::chrono::milliseconds>(value);
  } else if constexpr (std::is_same_v<Field, std::optional<std::uint64_t>>) {
    *field = std::get<std::uint64_t>(value);
  } else {
    *field = std::get<Field>(value);
  }
}

// Puts a value into config.FIELD; no value puts the default back.
template <auto field>
void set(const Value& value, Config* config) {
  if (std::holds_alternative<std::monostate>(value)) {
    config->*field = defaults().*field;
  } else {
    put(value, &(config->*field));
  }
}

// Puts a value into config.PART.FIELD.
template <auto part, auto field>
void set_part(const Value& value, Config* config) {
  if (std::holds_alternative<std::monostate>(value)) {
    config->*part.*field = defaults().*part.*field;
  } else {
    put(value, &(config->*part.*field));
  }
}

// What is not a mode is refused when all is checked.
void set_teleport_mode(const Value& value, Config* config) {
  const auto* name = std::get_if<std::string>(&value);
  const auto mode = name == nullptr ? std::nullopt : teleport_mode(*name);
  config->teleport.mode = mode.value_or(defaults().teleport.mode);
}

// What is no format is refused when all is checked.
void set_log_format_of(const Value& value, Config* config) {
  const auto* name = std::get_if<std::string>(&value);
  const auto format = name == nullptr ? std::nullopt : log_format(*name);
  config->log_format = format.value_or(defaults().log_format);
}

// What is no form is refused when all is checked.
void set_body(const Value& value, Config* config) {
  const auto* name = std::get_if<std::string>(&value);
  const auto form = name == nullptr ? std::nullopt : body_form(*name);
  config->shipper.body = form.value_or(defaults().shipper.body);
}

// What is no span is refused when all is checked.
void set_backfill(const Value& value, Config* config) {
  config->fetcher.backfill.clear();
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  if (texts == nullptr) return;
  for (const std::string& text : *texts) {
    if (const auto range = parse_time_range(text)) config->fetcher.backfill.push_back(*range);
  }
}

// Upstream's small batches would only slow the search down, so that only larger ones are used.
void set_page_size(const Value& value, Config* config) {
  const auto* batch = std::get_if<std::uint64_t>(&value);
  const std::uint32_t usual = defaults().fetcher.page_size;
  config->fetcher.page_size =
      std::max(usual, batch == nullptr ? usual : static_cast<std::uint32_t>(*batch));
}

template <auto field>
constexpr auto kQueue = &set_part<&Config::queue, field>;
template <auto field>
constexpr auto kTeleport = &set_part<&Config::teleport, field>;
template <auto field>
constexpr auto kLock = &set_part<&Config::lock, field>;
template <auto field>
constexpr auto kFetcher = &set_part<&Config::fetcher, field>;
template <auto field>
constexpr auto kFluentd = &set_part<&Config::fluentd, field>;
template <auto field>
constexpr auto kShipper = &set_part<&Config::shipper, field>;

// clang-format off: a table, a setting a paragraph.
constexpr auto kSettings = std::to_array<Setting>({
    // Of both daemons.
    {.name = "queue-path", .key = "queue.path", .environment = "SLUICE_QUEUE_PATH",
     .type = kFolder, .initial = "/var/lib/sluice/<instance>", .users = Users::kAll,
     .help = "The folder of this instance's queue, delivery store and control pages",
     .assign = &set<&Config::queue_path>},
    {.name = "retention", .key = "queue.retention", .environment = "SLUICE_QUEUE_RETENTION",
     .type = kDuration, .initial = "24h", .bounds = {0, 366 * kDay}, .users = Users::kAll,
     .help = "How long an event stays in the queue after it was acknowledged, if queue.max-size "
             "allows it",
     .assign = kQueue<&QueueConfig::retention>},
    {.name = "max-size", .key = "queue.max-size", .environment = "SLUICE_QUEUE_MAX_SIZE",
     .type = kBytes, .bounds = {32 * kMib, 1ULL << 50}, .users = Users::kAll,
     .help = "How much the queue's folder may hold; none: half of its file system",
     .assign = kQueue<&QueueConfig::max_size>},
    {.name = "session-max-size", .key = "queue.session-max-size",
     .environment = "SLUICE_QUEUE_SESSION_MAX_SIZE",
     .type = kBytes, .bounds = {4 * kMib, 1ULL << 50}, .users = Users::kAll,
     .help = "How much of it events of session recordings may fill; none: half of queue.max-size",
     .assign = kQueue<&QueueConfig::session_max_size>},
    {.name = "min-free-disk", .key = "queue.min-free-disk",
     .environment = "SLUICE_QUEUE_MIN_FREE_DISK",
     .type = kBytes, .bounds = {0, 1ULL << 50}, .users = Users::kAll,
     .help = "The free space on the queue's file system below which nothing more is fetched; none: "
             "5 % of the file system, 2GiB at most",
     .assign = kQueue<&QueueConfig::min_free_disk>},
    {.name = "erase-within", .key = "queue.erase-within",
     .environment = "SLUICE_QUEUE_ERASE_WITHIN",
     .type = kDuration, .initial = "24h", .bounds = {kSecond, 366 * kDay}, .users = Users::kAll,
     .help = "How long after an event was trimmed its bytes may still be on the disk",
     .assign = kQueue<&QueueConfig::erase_within>},
    {.name = "debug", .key = "debug", .environment = "FDFWD_DEBUG",
     .type = kSwitch, .initial = "false", .users = Users::kAll, .upstream = true,
     .help = "Log what helps to find a fault, too",
     .assign = &set<&Config::debug>},
    {.name = "log-format", .key = "log.format", .environment = "SLUICE_LOG_FORMAT",
     .type = kText, .initial = "auto", .users = Users::kDaemons,
     .help = "How the log is written: text (to stderr), json (to stderr, an object a line), journal (to "
             "systemd's journal, with its fields), or auto: journal where stderr is the journal, else "
             "text",
     .assign = &set_log_format_of},
    {.name = "dry-run", .key = "dry-run", .environment = "FDFWD_DRY_RUN",
     .type = kSwitch, .initial = "false", .users = Users::kDaemons, .upstream = true,
     .help = "Read and count audit events, and write, send and lock nothing; recordings are not "
             "fetched, and backfills not begun; for the fetcher only",
     .assign = kFetcher<&FetcherConfig::dry_run>},

    // Where events come from.
    {.name = "teleport-addr", .key = "teleport.addr", .environment = "FDFWD_TELEPORT_ADDR",
     .type = kAddress, .initial = "localhost:3025", .users = Users::kFetcher, .upstream = true,
     .help = "Host and port of Teleport's Auth service or proxy",
     .assign = kTeleport<&TeleportConfig::addr>},
    {.name = "teleport-mode", .key = "teleport.mode", .environment = "SLUICE_TELEPORT_MODE",
     .type = kText, .initial = "auto", .users = Users::kFetcher,
     .help = "What that address is of: direct (the Auth service), tls-routing (a proxy), upgrade (a "
             "proxy behind a load balancer that ends TLS), or auto: the first of them that works",
     .assign = set_teleport_mode},
    {.name = "teleport-web-ca", .key = "teleport.web-ca", .environment = "SLUICE_TELEPORT_WEB_CA",
     .type = kFile, .users = Users::kFetcher,
     .help = "Certificates (PEM) to trust for the proxy's web address; none: the system's",
     .assign = kTeleport<&TeleportConfig::web_ca>},
    {.name = "teleport-identity", .key = "teleport.identity",
     .environment = "FDFWD_TELEPORT_IDENTITY",
     .type = kFile, .users = Users::kFetcher, .upstream = true,
     .help = "Identity file of the Teleport user that reads the events; either this or the three "
             "files teleport.ca, teleport.cert and teleport.key",
     .assign = kTeleport<&TeleportConfig::identity>},
    {.name = "teleport-ca", .key = "teleport.ca", .environment = "FDFWD_TELEPORT_CA",
     .type = kFile, .users = Users::kFetcher, .upstream = true,
     .help = "Certificates (PEM) of the cluster's host authority",
     .assign = kTeleport<&TeleportConfig::ca>},
    {.name = "teleport-cert", .key = "teleport.cert", .environment = "FDFWD_TELEPORT_CERT",
     .type = kFile, .users = Users::kFetcher, .upstream = true,
     .help = "Certificate (PEM) of the Teleport user",
     .assign = kTeleport<&TeleportConfig::cert>},
    {.name = "teleport-key", .key = "teleport.key", .environment = "FDFWD_TELEPORT_KEY",
     .type = kFile, .users = Users::kFetcher, .upstream = true,
     .help = "Private key (PEM) of that certificate",
     .assign = kTeleport<&TeleportConfig::key>},
    {.name = "teleport-refresh-enabled", .key = "teleport.refresh.enabled",
     .environment = "FDFWD_TELEPORT_REFRESH_ENABLED",
     .type = kSwitch, .initial = "true", .users = Users::kFetcher, .upstream = true,
     .help = "Accepted without effect: the identity files are always read again; false is answered "
             "with a warning"},
    {.name = "teleport-refresh-interval", .key = "teleport.refresh.interval",
     .environment = "FDFWD_TELEPORT_REFRESH_INTERVAL",
     .type = kDuration, .initial = "1m", .bounds = {kSecond, kDay},
     .users = Users::kFetcher, .upstream = true,
     .help = "How often the identity files are looked at for a renewed identity",
     .assign = kTeleport<&TeleportConfig::refresh_interval>},
    {.name = "teleport-max-requests-per-second", .key = "teleport.max-requests-per-second",
     .environment = "SLUICE_TELEPORT_MAX_REQUESTS_PER_SECOND",
     .type = kCount, .initial = "0", .bounds = {0, 10'000}, .users = Users::kFetcher,
     .help = "How many calls to Teleport may begin in a second; 0: as many as there is need for",
     .assign = kTeleport<&TeleportConfig::requests_per_second_max>},

    // What is fetched, and how.
    {.name = "types", .key = "types", .environment = "FDFWD_TYPES",
     .type = kList, .users = Users::kFetcher, .upstream = true,
     .help = "Types of the audit events to export; none named: all",
     .assign = kFetcher<&FetcherConfig::types>},
    {.name = "skip-event-types", .key = "skip-event-types",
     .environment = "FDFWD_SKIP_EVENT_TYPES",
     .type = kList, .users = Users::kFetcher, .upstream = true,
     .help = "Types of audit events not to export",
     .assign = kFetcher<&FetcherConfig::skip_event_types>},
    {.name = "skip-session-types", .key = "skip-session-types",
     .environment = "FDFWD_SKIP_SESSION_TYPES",
     .type = kList, .initial = "print,desktop.recording",
     .users = Users::kFetcher, .upstream = true,
     .help = "Types of events in session recordings not to export; an empty list exports all that "
             "was shown in the sessions, and is answered with a warning",
     .assign = kFetcher<&FetcherConfig::skip_session_types>},
    {.name = "start-time", .key = "start-time", .environment = "FDFWD_START_TIME",
     .type = kTime, .users = Users::kFetcher, .upstream = true,
     .help = "Where the first start begins to export, RFC 3339 with a zone, cut to whole seconds; "
             "none: the time of the first start",
     .assign = kFetcher<&FetcherConfig::start_time>},
    {.name = "restart-from",
     .type = kTime, .users = Users::kFetcher,
     .help = "Fetch again from this time on, RFC 3339 with a zone: says what comes twice by that, "
             "and does it only with --yes; a later start with the same time does nothing more",
     .assign = kFetcher<&FetcherConfig::restart_from>},
    {.name = "yes",
     .type = kSwitch, .initial = "false", .users = Users::kFetcher,
     .help = "Do what --restart-from says",
     .assign = kFetcher<&FetcherConfig::yes>},
    {.name = "backfill", .key = "fetcher.backfill", .environment = "SLUICE_FETCHER_BACKFILL",
     .type = kList, .users = Users::kFetcher,
     .help = "Spans of the past to fetch beside the present events, each FROM/TO in RFC 3339; each "
             "is fetched once, also when it stays here",
     .assign = &set_backfill},
    {.name = "timeout", .key = "timeout", .environment = "FDFWD_TIMEOUT",
     .type = kDuration, .initial = "5s", .bounds = {100, kDay},
     .users = Users::kFetcher, .upstream = true,
     .help = "How long to wait before Teleport is asked again when there was nothing new",
     .assign = kFetcher<&FetcherConfig::poll_interval>},
    {.name = "window-size", .key = "window-size", .environment = "FDFWD_WINDOW_SIZE",
     .type = kDuration, .initial = "24h", .bounds = {kMinute, 366 * kDay},
     .users = Users::kFetcher, .upstream = true,
     .help = "How much time one search covers on clusters without bulk export",
     .assign = kFetcher<&FetcherConfig::window_size>},
    {.name = "search-overlap", .key = "fetcher.search-overlap",
     .environment = "SLUICE_FETCHER_SEARCH_OVERLAP",
     .type = kDuration, .initial = "2m", .bounds = {0, kDay}, .users = Users::kFetcher,
     .help = "How far each search reaches back before the newest event, for events that Teleport "
             "stored late",
     .assign = kFetcher<&FetcherConfig::search_overlap>},
    {.name = "late-days", .key = "fetcher.late-days", .environment = "SLUICE_FETCHER_LATE_DAYS",
     .type = kCount, .initial = "2", .bounds = {0, 366}, .users = Users::kFetcher,
     .help = "How many past days are listed again for late chunks on clusters with bulk export",
     .assign = kFetcher<&FetcherConfig::late_days>},
    {.name = "export-delay", .key = "fetcher.export-delay",
     .environment = "SLUICE_FETCHER_EXPORT_DELAY",
     .type = kDuration, .initial = "5m", .bounds = {0, kDay}, .users = Users::kFetcher,
     .help = "How long Teleport may take to put an event into a chunk of its bulk export: the time "
             "up to which everything is read lies so far behind the last look",
     .assign = kFetcher<&FetcherConfig::export_delay>},
    {.name = "batch", .key = "batch", .environment = "FDFWD_BATCH",
     .type = kCount, .initial = "1000", .bounds = {1, 10'000},
     .users = Users::kFetcher, .upstream = true,
     .help = "Events asked for in one page of a search; less than 1000 counts as 1000, and it is "
             "never the size of what is sent to Fluentd",
     .assign = &set_page_size},
    {.name = "concurrency", .key = "concurrency", .environment = "FDFWD_CONCURRENCY",
     .type = kCount, .initial = "5", .bounds = {1, 256},
     .users = Users::kFetcher, .upstream = true,
     .help = "Session recordings streamed at once",
     .assign = kFetcher<&FetcherConfig::concurrency>},
    {.name = "buffer-bytes", .key = "fetcher.buffer-bytes",
     .environment = "SLUICE_FETCHER_BUFFER_BYTES",
     .type = kBytes, .initial = "16MiB", .bounds = {kMib, 4 * kGib}, .users = Users::kFetcher,
     .help = "Memory for events on their way into the queue, of each lane",
     .assign = kFetcher<&FetcherConfig::buffer_bytes>},
    {.name = "exit-on-last-event", .key = "exit-on-last-event",
     .environment = "FDFWD_EXIT_ON_LAST_EVENT",
     .type = kSwitch, .initial = "false", .users = Users::kFetcher, .upstream = true,
     .help = "Stop with status 0 once all events up to now are in the queue",
     .assign = kFetcher<&FetcherConfig::exit_on_last_event>},
    {.name = "storage", .key = "storage", .environment = "FDFWD_STORAGE",
     .type = kFolder, .users = Users::kFetcher, .upstream = true,
     .help = "The folder where Teleport's own handler kept its position, from which a first start "
             "goes on (migration.md); it is only read",
     .assign = &set<&Config::storage>},

    // Locking.
    {.name = "lock-enabled", .key = "lock-enabled", .environment = "FDFWD_LOCKING_ENABLED",
     .type = kSwitch, .initial = "false", .users = Users::kFetcher, .upstream = true,
     .help = "Lock users in Teleport who fail to log in too often",
     .assign = kLock<&LockConfig::enabled>},
    {.name = "lock-failed-attempts-count", .key = "lock-failed-attempts-count",
     .environment = "FDFWD_LOCKING_FAILED_ATTEMPTS",
     .type = kCount, .initial = "3", .bounds = {1, 1'000},
     .users = Users::kFetcher, .upstream = true,
     .help = "How many failed logins a user may have within lock-period; one more locks",
     .assign = kLock<&LockConfig::attempts_max>},
    {.name = "lock-period", .key = "lock-period", .environment = "FDFWD_LOCKING_PERIOD",
     .type = kDuration, .initial = "1m", .bounds = {kSecond, 366 * kDay},
     .users = Users::kFetcher, .upstream = true,
     .help = "The time within which failed logins are counted together",
     .assign = kLock<&LockConfig::period>},
    {.name = "lock-for", .key = "lock-for", .environment = "FDFWD_LOCKING_FOR",
     .type = kDuration, .bounds = {kSecond, 36'500 * kDay},
     .users = Users::kFetcher, .upstream = true,
     .help = "How long a lock lasts; none: until somebody removes it",
     .assign = kLock<&LockConfig::duration>},

    // Where events go to.
    {.name = "fluentd-url", .key = "forward.fluentd.url", .environment = "FDFWD_FLUENTD_URL",
     .type = kUrls, .users = Users::kShipper, .upstream = true,
     .help = "Where audit events are sent to: https:// or http:// for Fluentd's http input, "
             "forward+tls://HOST:PORT/TAG or forward:// for its forward input. Of several URLs the "
             "first is preferred, and the others are for when it fails",
     .assign = kFluentd<&FluentdConfig::urls>},
    {.name = "fluentd-session-url", .key = "forward.fluentd.session-url",
     .environment = "FDFWD_FLUENTD_SESSION_URL",
     .type = kUrls, .users = Users::kShipper, .upstream = true,
     .help = "Where events of session recordings are sent to, with \".SESSION-ID.log\" at its "
             "end; as many as there are of forward.fluentd.url, of the same kind",
     .assign = kFluentd<&FluentdConfig::session_urls>},
    {.name = "fluentd-ca", .key = "forward.fluentd.ca", .environment = "FDFWD_FLUENTD_CA",
     .type = kFile, .users = Users::kShipper, .upstream = true,
     .help = "Certificates (PEM) of the authority that Fluentd's certificate is checked against; "
             "none: the system's",
     .assign = kFluentd<&FluentdConfig::ca>},
    {.name = "fluentd-cert", .key = "forward.fluentd.cert", .environment = "FDFWD_FLUENTD_CERT",
     .type = kFile, .users = Users::kShipper, .upstream = true,
     .help = "Our certificate (PEM) towards Fluentd; together with forward.fluentd.key",
     .assign = kFluentd<&FluentdConfig::cert>},
    {.name = "fluentd-key", .key = "forward.fluentd.key", .environment = "FDFWD_FLUENTD_KEY",
     .type = kFile, .users = Users::kShipper, .upstream = true,
     .help = "Private key (PEM) of that certificate",
     .assign = kFluentd<&FluentdConfig::key>},
    {.name = "fluentd-shared-key-file", .key = "forward.fluentd.shared-key-file",
     .environment = "SLUICE_FLUENTD_SHARED_KEY_FILE",
     .type = kFile, .users = Users::kShipper,
     .help = "The file that holds the shared_key of the forward input's <security>; none: it has no "
             "<security>",
     .assign = kFluentd<&FluentdConfig::shared_key_file>},
    {.name = "fluentd-username", .key = "forward.fluentd.username",
     .environment = "SLUICE_FLUENTD_USERNAME",
     .type = kText, .users = Users::kShipper,
     .help = "Our name, if the forward input has user_auth; together with "
             "forward.fluentd.password-file",
     .assign = kFluentd<&FluentdConfig::username>},
    {.name = "fluentd-password-file", .key = "forward.fluentd.password-file",
     .environment = "SLUICE_FLUENTD_PASSWORD_FILE",
     .type = kFile, .users = Users::kShipper,
     .help = "The file that holds the password of that user",
     .assign = kFluentd<&FluentdConfig::password_file>},
    {.name = "fluentd-key-passphrase-file", .key = "forward.fluentd.key-passphrase-file",
     .environment = "SLUICE_FLUENTD_KEY_PASSPHRASE_FILE",
     .type = kFile, .users = Users::kShipper,
     .help = "The file with the passphrase of that key; none: the key is not encrypted",
     .assign = kFluentd<&FluentdConfig::key_passphrase_file>},
    {.name = "fluentd-max-connections", .key = "forward.fluentd.max-connections",
     .environment = "FDFWD_MAX_CONNECTIONS",
     .type = kCount, .bounds = {0, 10'000}, .users = Users::kShipper, .upstream = true,
     .help = "An upper limit for shipper.connections; 0: none"},

    // How events are shipped.
    {.name = "connections", .key = "shipper.connections",
     .environment = "SLUICE_SHIPPER_CONNECTIONS",
     .type = kCount, .initial = "4", .bounds = {1, 64}, .users = Users::kShipper,
     .help = "Connections to Fluentd of each lane; 1 keeps the strict order of events",
     .assign = kShipper<&ShipperConfig::connections>},
    {.name = "body", .key = "shipper.body", .environment = "SLUICE_SHIPPER_BODY",
     .type = kText, .initial = "array", .users = Users::kShipper,
     .help = "What a request over HTTP carries: array (a JSON array of events), ndjson (an event a line; not "
             "for Fluentd with a json parser, which answers 200 to it and drops it) or single (one "
             "event; batch-events is then 1)",
     .assign = set_body},
    {.name = "batch-events", .key = "shipper.batch-events",
     .environment = "SLUICE_SHIPPER_BATCH_EVENTS",
     .type = kCount, .initial = "500", .bounds = {1, 10'000}, .users = Users::kShipper,
     .help = "Most events in one request",
     .assign = kShipper<&ShipperConfig::batch_events>},
    {.name = "batch-bytes", .key = "shipper.batch-bytes",
     .environment = "SLUICE_SHIPPER_BATCH_BYTES",
     .type = kBytes, .initial = "512KiB", .bounds = {kKib, 30 * kMib}, .users = Users::kShipper,
     .help = "Most bytes in one request; one larger event is sent alone",
     .assign = kShipper<&ShipperConfig::batch_bytes>},
    {.name = "linger", .key = "shipper.linger", .environment = "SLUICE_SHIPPER_LINGER",
     .type = kDuration, .initial = "0", .bounds = {0, kHour}, .users = Users::kShipper,
     .help = "How long a batch that is not full waits for more events, from when its first one was "
             "read; never at a stop or with shipper.exit-when-drained",
     .assign = kShipper<&ShipperConfig::linger>},
    {.name = "adaptive", .key = "shipper.adaptive", .environment = "SLUICE_SHIPPER_ADAPTIVE",
     .type = kSwitch, .initial = "true", .users = Users::kShipper,
     .help = "Find the best size of batches and number of requests at once by itself, up to "
             "shipper.batch-events, shipper.batch-bytes and shipper.connections, and take them "
             "back when Fluentd slows down",
     .assign = kShipper<&ShipperConfig::adaptive>},
    {.name = "headers", .key = "shipper.headers", .environment = "SLUICE_SHIPPER_HEADERS",
     .type = kHeaders, .users = Users::kShipper,
     .help = "Headers of every request over HTTP besides Sluice's own, each NAME: VALUE, where the value may "
             "end with file:PATH or credential:NAME",
     .assign = kShipper<&ShipperConfig::headers>},
    {.name = "gzip", .key = "shipper.gzip", .environment = "SLUICE_SHIPPER_GZIP",
     .type = kSwitch, .initial = "false", .users = Users::kShipper,
     .help = "Pack what requests carry with gzip: less to send over a slow or costly link, for "
             "more processor time an event",
     .assign = kShipper<&ShipperConfig::gzip>},
    {.name = "stamp", .key = "shipper.stamp", .environment = "SLUICE_SHIPPER_STAMP",
     .type = kSwitch, .initial = "false", .users = Users::kShipper,
     .help = "Add a member _sluice to each event that is sent, with the queue, the lane, the number "
             "in it and the event's id, by which a receiver finds holes and duplicates",
     .assign = kShipper<&ShipperConfig::stamp>},
    {.name = "max-events-per-second", .key = "shipper.max-events-per-second",
     .environment = "SLUICE_SHIPPER_MAX_EVENTS_PER_SECOND",
     .type = kCount, .initial = "0", .bounds = {0, 100'000'000}, .users = Users::kShipper,
     .help = "How many events may be sent in a second, by both lanes and all replays; 0: no limit",
     .assign = kShipper<&ShipperConfig::events_per_second_max>},
    {.name = "max-bytes-per-second", .key = "shipper.max-bytes-per-second",
     .environment = "SLUICE_SHIPPER_MAX_BYTES_PER_SECOND",
     .type = kBytes, .initial = "0", .bounds = {0, 1ULL << 40}, .users = Users::kShipper,
     .help = "How many bytes of bodies, before they are packed, may be sent in a second, by both "
             "lanes and all replays; 0: no limit",
     .assign = kShipper<&ShipperConfig::bytes_per_second_max>},
    {.name = "request-timeout", .key = "shipper.request-timeout",
     .environment = "SLUICE_SHIPPER_REQUEST_TIMEOUT",
     .type = kDuration, .initial = "30s", .bounds = {100, kHour}, .users = Users::kShipper,
     .help = "How long one request may take from the connection to the answer",
     .assign = kShipper<&ShipperConfig::request_timeout>},
    {.name = "retry-min", .key = "shipper.retry-min", .environment = "SLUICE_SHIPPER_RETRY_MIN",
     .type = kDuration, .initial = "500ms", .bounds = {1, kHour}, .users = Users::kShipper,
     .help = "The shortest wait before a failed request is sent again",
     .assign = kShipper<&ShipperConfig::retry_min>},
    {.name = "retry-max", .key = "shipper.retry-max", .environment = "SLUICE_SHIPPER_RETRY_MAX",
     .type = kDuration, .initial = "30s", .bounds = {1, kHour}, .users = Users::kShipper,
     .help = "The longest wait before a failed request is sent again",
     .assign = kShipper<&ShipperConfig::retry_max>},
    {.name = "dead-letters-max", .key = "shipper.dead-letters-max",
     .environment = "SLUICE_SHIPPER_DEAD_LETTERS_MAX",
     .type = kCount, .initial = "10000", .bounds = {1, 10'000'000}, .users = Users::kShipper,
     .help = "How many dead letters each lane may have; then it sets nothing more aside and waits",
     .assign = kShipper<&ShipperConfig::dead_letters_max>},
    {.name = "dead-letters-max-bytes", .key = "shipper.dead-letters-max-bytes",
     .environment = "SLUICE_SHIPPER_DEAD_LETTERS_MAX_BYTES",
     .type = kBytes, .initial = "1GiB", .bounds = {kKib, 1ULL << 40}, .users = Users::kShipper,
     .help = "How many bytes the dead letters of each lane may have; then it sets nothing more aside "
             "and waits",
     .assign = kShipper<&ShipperConfig::dead_letters_bytes_max>},
    {.name = "exit-when-drained", .key = "shipper.exit-when-drained",
     .environment = "SLUICE_SHIPPER_EXIT_WHEN_DRAINED",
     .type = kSwitch, .initial = "false", .users = Users::kShipper,
     .help = "Stop with status 0 once all events in the queue are acknowledged",
     .assign = kShipper<&ShipperConfig::exit_when_drained>},
    {.name = "monitor-url", .key = "shipper.monitor-url",
     .environment = "SLUICE_SHIPPER_MONITOR_URL",
     .type = kList, .users = Users::kShipper,
     .help = "Where Fluentd's monitor_agent listens, such as http://127.0.0.1:24220, one for each of "
             "its workers: what it has counted is compared with what it has acknowledged; none: it "
             "is not asked",
     .assign = kShipper<&ShipperConfig::monitor_urls>},
    {.name = "monitor-plugin-id", .key = "shipper.monitor-plugin-id",
     .environment = "SLUICE_SHIPPER_MONITOR_PLUGIN_ID",
     .type = kList, .users = Users::kShipper,
     .help = "The @id of Fluentd's input that takes our events, or those of the outputs where they "
             "go, whose counts are added up; none: the only input of its type",
     .assign = kShipper<&ShipperConfig::monitor_plugin_ids>},
    {.name = "monitor-interval", .key = "shipper.monitor-interval",
     .environment = "SLUICE_SHIPPER_MONITOR_INTERVAL",
     .type = kDuration, .initial = "10s", .bounds = {100, kHour}, .users = Users::kShipper,
     .help = "How often it is asked",
     .assign = kShipper<&ShipperConfig::monitor_interval>},
    {.name = "heartbeat-tag", .key = "shipper.heartbeat-tag",
     .environment = "SLUICE_SHIPPER_HEARTBEAT_TAG",
     .type = kText, .users = Users::kShipper,
     .help = "The tag of heartbeats, events that the shipper makes and sends to Fluentd beside the "
             "queue, so that their absence can be noticed there; none: it sends none",
     .assign = kShipper<&ShipperConfig::heartbeat_tag>},
    {.name = "heartbeat-interval", .key = "shipper.heartbeat-interval",
     .environment = "SLUICE_SHIPPER_HEARTBEAT_INTERVAL",
     .type = kDuration, .initial = "1m", .bounds = {kSecond, kDay}, .users = Users::kShipper,
     .help = "How often it sends one",
     .assign = kShipper<&ShipperConfig::heartbeat_interval>},
    {.name = "fetcher-metrics-address", .key = "metrics.fetcher-address",
     .environment = "SLUICE_METRICS_FETCHER_ADDRESS",
     .type = kText, .initial = "127.0.0.1:9464", .users = Users::kFetcher,
     .help = "IP:PORT where the fetcher serves /metrics, /healthz and /readyz, without TLS or "
             "password; none: nowhere, as any instance but default unless this is given",
     .assign = kFetcher<&FetcherConfig::metrics_address>},
    {.name = "shipper-metrics-address", .key = "metrics.shipper-address",
     .environment = "SLUICE_METRICS_SHIPPER_ADDRESS",
     .type = kText, .initial = "127.0.0.1:9465", .users = Users::kShipper,
     .help = "The same of the shipper",
     .assign = kShipper<&ShipperConfig::metrics_address>},
});
// clang-format on

std::string replace_dashes(std::string_view text, char with) {
  std::string replaced(text);
  std::ranges::replace(replaced, '-', with);
  return replaced;
}

}  // namespace

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view name) {
  const auto* found = std::ranges::find(kSettings, name, &Setting::name);
  return found == kSettings.end() ? nullptr : found;
}

bool uses(Program program, const Setting& setting) {
  switch (setting.users) {
    case Users::kAll:
      return true;
    case Users::kDaemons:
      return program != Program::kQueuectl;
    case Users::kFetcher:
      return program == Program::kFetcher;
    case Users::kShipper:
      break;
  }
  return program == Program::kShipper;
}

std::vector<std::string> file_keys(const Setting& setting) {
  if (setting.key.empty()) return {};
  if (!setting.upstream) return {std::string(setting.key)};
  std::string_view name = setting.name;
  std::string section;
  if (constexpr std::string_view kPrefix = "fluentd-"; name.starts_with(kPrefix)) {
    name.remove_prefix(kPrefix.size());
    section = "forward.fluentd.";
  }
  std::vector<std::string> keys = {section + replace_dashes(name, '.')};
  if (name.find('-') != std::string_view::npos) keys.push_back(section + std::string(name));
  return keys;
}

std::vector<std::string> environment_names(const Setting& setting) {
  if (setting.environment.empty()) return {};
  std::vector<std::string> names = {std::string(setting.environment)};
  if (constexpr std::string_view kPrefix = "FDFWD_"; setting.environment.starts_with(kPrefix)) {
    names.push_back(fmt::format("FDWRD_{}", setting.environment.substr(kPrefix.size())));
  }
  return names;
}

}  // namespace sluice
