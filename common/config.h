// The configuration of both daemons: one TOML file, flags and environment, as one value.
//
// Reads a teleport-event-handler.toml unchanged. The settings are in common/settings.h. Precedence:
// flag > environment > file > default. Relative paths in the file are resolved against the file's
// folder, those of flags and environment against the working directory. Every mistake is one
// sentence with file, line and column (kConfig) or the flag (kUsage); nothing is guessed.
// docs/configuration.md lists every key.
#ifndef SLUICE_COMMON_CONFIG_H_
#define SLUICE_COMMON_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/body_form.h"
#include "common/error.h"
#include "common/http_header.h"
#include "common/log_format.h"
#include "common/time.h"
#include "common/time_range.h"

namespace sluice {

// Who reads the configuration: each daemon requires its own half and does not look at the other's
// files.
enum class Program { kFetcher, kShipper, kQueuectl };

// In place of an address: none.
inline constexpr const char* kNoAddress = "none";

// How much of the past the queue keeps, and how much room it may take.
struct QueueConfig {
  std::chrono::milliseconds retention{24 * 3'600'000};
  std::optional<std::uint64_t> max_size;          // bytes; nothing: half of the file system
  std::optional<std::uint64_t> session_max_size;  // nothing: half of max_size
  std::optional<std::uint64_t> min_free_disk;     // nothing: 5 % of the file system, 2 GiB at most
  std::chrono::milliseconds erase_within{24 * 3'600'000};
};

// How Teleport's Auth service is reached.
enum class TeleportMode {
  kAuto,        // the first way that works
  kDirect,      // addr is the Auth service
  kTlsRouting,  // addr is a proxy that routes by ALPN
  kUpgrade,     // addr is such a proxy behind a load balancer that ends TLS
};

// "auto", "direct", "tls-routing" or "upgrade"; nothing: it is none of them.
std::optional<TeleportMode> teleport_mode(std::string_view name);

struct TeleportConfig {
  std::string addr = "localhost:3025";  // host:port
  TeleportMode mode = TeleportMode::kAuto;
  std::filesystem::path web_ca;    // of the proxy's web certificate; empty: the system's
  std::filesystem::path identity;  // either this, or the three below
  std::filesystem::path ca;
  std::filesystem::path cert;
  std::filesystem::path key;
  std::chrono::milliseconds refresh_interval{60'000};
  std::uint32_t requests_per_second_max = 0;  // 0: no limit
};

// Locking of users who fail to log in.
struct LockConfig {
  bool enabled = false;
  std::uint32_t attempts_max = 3;  // within the period; one more locks
  std::chrono::milliseconds period{60'000};
  std::optional<std::chrono::milliseconds> duration;  // of the lock; nothing: for ever
};

struct FetcherConfig {
  std::vector<std::string> types;  // empty: all
  std::set<std::string> skip_event_types;
  std::set<std::string> skip_session_types = {"print", "desktop.recording"};
  std::optional<Timestamp> start_time;             // whole seconds
  std::optional<Timestamp> restart_from;           // whole seconds
  bool yes = false;                                // restart_from may repeat events
  std::vector<TimeRange> backfill;                 // of the past, fetched beside the present
  std::chrono::milliseconds poll_interval{5'000};  // upstream's `timeout`
  std::chrono::milliseconds window_size{24 * 3'600'000};
  std::chrono::milliseconds search_overlap{120'000};
  std::chrono::milliseconds export_delay{300'000};
  std::uint32_t page_size = 1000;  // upstream's `batch`, if that is larger; at most 10'000
  std::uint32_t concurrency = 5;
  std::uint32_t late_days = 2;             // how many past days are listed again for late chunks
  std::uint64_t buffer_bytes = 16U << 20;  // of each lane, between sources and queue
  bool exit_on_last_event = false;
  std::string metrics_address = "127.0.0.1:9464";  // IP:PORT, or kNoAddress
  bool dry_run = false;                            // writes nothing, locks nobody
};

struct FluentdConfig {
  std::vector<std::string> urls;  // the first is preferred; as many of the other kind
  std::vector<std::string> session_urls;
  std::filesystem::path ca;  // empty: the system's
  std::filesystem::path cert;
  std::filesystem::path key;
  // Of the forward protocol: both URLs are of it, or neither.
  std::filesystem::path shared_key_file;  // empty: the server has no <security>
  std::string username;
  std::filesystem::path password_file;        // together with username
  std::filesystem::path key_passphrase_file;  // empty: the key is not encrypted
};

struct ShipperConfig {
  std::uint32_t connections = 4;     // of each lane; capped by fluentd-max-connections
  BodyForm body = BodyForm::kArray;  // kEntries with URLs of the forward protocol
  std::uint32_t batch_events = 500;  // 1 with BodyForm::kSingle
  std::uint64_t batch_bytes = 512U << 10;
  std::chrono::milliseconds linger{0};  // how long a batch that is not full waits for more events
  bool adaptive = true;                 // whether batches and requests may be fewer than that
  std::vector<HttpHeader> headers;      // of every request, besides our own
  bool gzip = false;
  std::uint32_t events_per_second_max = 0;  // 0: no limit, here and in the next
  std::uint64_t bytes_per_second_max = 0;
  bool stamp = false;  // whether each event says where it comes from
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds retry_min{500};  // first wait after a failure
  std::chrono::milliseconds retry_max{30'000};
  std::uint64_t dead_letters_max = 10'000;  // of each lane, as the next
  std::uint64_t dead_letters_bytes_max = 1ULL << 30;
  bool exit_when_drained = false;
  std::string heartbeat_tag;  // empty: none are sent
  std::chrono::milliseconds heartbeat_interval{60'000};
  std::string metrics_address = "127.0.0.1:9465";  // as the fetcher's
  std::vector<std::string> monitor_urls;  // Fluentd's monitor_agent, one a worker; empty: none
  std::vector<std::string> monitor_plugin_ids;  // whose counts are ours; empty: the only input
  std::chrono::milliseconds monitor_interval{10'000};
};

struct Config {
  std::filesystem::path file;  // as given; empty: none
  std::string instance = "default";
  std::filesystem::path queue_path;  // the instance's folder; default /var/lib/sluice/<instance>
  bool debug = false;
  LogFormat log_format = LogFormat::kAuto;
  std::filesystem::path storage;  // of Teleport's own handler; only ever read, empty: none
  // The file has it as a relative path, which that handler took to start in its working directory.
  bool storage_is_relative = false;
  QueueConfig queue;
  TeleportConfig teleport;
  LockConfig lock;
  FetcherConfig fetcher;
  FluentdConfig fluentd;
  ShipperConfig shipper;
  std::vector<std::string> warnings;  // sentences to be logged once logging is set up
};

// What the command line gave.
struct ConfigSources {
  // --config; empty: /etc/sluice/<instance>.toml if --instance is given, else FDFWD_CONFIG, else
  // /etc/sluice/default.toml if it is there, or none.
  std::filesystem::path file;
  std::string instance;  // --instance, 1 to 32 of a-z, 0-9 and -; empty: "default"
  std::vector<std::pair<std::string, std::string>>
      flags;  // {"fluentd-url", "https://…"}: without dashes in front
};

// Reads the environment through ::getenv.
Result<Config> load_config(Program program, const ConfigSources& sources);

// `sentence` with the instance that `config` is of put into each command of queuectl that it names
// in quotes: "queuectl verify" becomes "queuectl -i bank verify".
std::string address_queuectl(std::string sentence, const Config& config);

// One flag for a command line parser.
struct FlagHelp {
  std::string name;   // without dashes in front
  std::string value;  // placeholder; "" for a switch, which may come as --NAME or --NAME=false
  std::string help;
};

// The flags that `program` accepts besides --config and --instance. Only lists and headers may be
// given more than once; their items add up.
std::vector<FlagHelp> config_flags(Program program);

}  // namespace sluice

#endif  // SLUICE_COMMON_CONFIG_H_
