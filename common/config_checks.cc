#include "common/config_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "common/credential.h"
#include "common/files.h"
#include "common/forward_url.h"
#include "common/host_port.h"
#include "common/ip_port.h"
#include "common/settings.h"

namespace sluice {
namespace {

const GivenSetting* find(const GivenSettings& given, std::string_view name) {
  const auto found = given.find(name);
  return found == given.end() ? nullptr : &found->second;
}

bool is_switched(const GivenSettings& given, std::string_view name, bool on) {
  const GivenSetting* setting = find(given, name);
  return setting != nullptr && std::get<bool>(setting->value) == on;
}

Error missing(const Config& config, std::string_view key, std::string_view what_to_do) {
  if (config.file.empty()) {
    return Error{ErrorKind::kConfig,
                 fmt::format("{} is missing, and no configuration file is given (--config): {}",
                             key, what_to_do)};
  }
  return Error{ErrorKind::kConfig,
               fmt::format("{}: {} is missing: {}", config.file.native(), key, what_to_do)};
}

void warn(const Origin& origin, const std::string& rest, Config* config) {
  config->warnings.push_back(origin.mistake(rest).message);
}

// Runs one check after the other. One that is about a setting with a mistake is left out, since its
// sentence would be about that mistake only.
class Checks {
 public:
  explicit Checks(ConfigReport* report) : report_(*report) {}

  void about(std::initializer_list<std::string_view> names,
             const std::function<Result<void>()>& check) {
    const bool is_known_wrong = std::ranges::any_of(
        names, [&](std::string_view name) { return report_.unusable.contains(name); });
    if (is_known_wrong) return;
    const auto done = check();
    if (done) return;
    report_.mistakes.push_back(done.error());
    report_.unusable.insert(names.begin(), names.end());
  }

 private:
  ConfigReport& report_;
};

// Opens the file of a setting, if it was given.
Result<void> check_file(const GivenSettings& given, std::string_view name) {
  const GivenSetting* setting = find(given, name);
  if (setting == nullptr) return {};
  const auto& path = std::get<std::filesystem::path>(setting->value);
  auto readable = check_credential_given(path);
  if (readable) readable = check_readable(path);
  if (readable) return {};
  const Origin& origin = setting->origin;
  return fail(origin.kind,
              fmt::format("{}{}: {}", origin.where, origin.label, readable.error().message));
}

void check_files(const GivenSettings& given, std::span<const std::string_view> names,
                 Checks* checks) {
  for (const std::string_view name : names) {
    checks->about({name}, [&] { return check_file(given, name); });
  }
}

// Both read the same file, and a shipper that ships although it says "dry run" must not be.
Result<void> refuse_dry_run(const GivenSettings& given) {
  if (!is_switched(given, "dry-run", true)) return {};
  return fail(find(given, "dry-run")
                  ->origin.mistake("is true, but only the fetcher has a dry run: leave it out, and "
                                   "give --dry-run to sluice-fetcher"));
}

Result<void> check_backfill(const GivenSettings& given) {
  const GivenSetting* backfill = find(given, "backfill");
  if (backfill == nullptr) return {};
  for (const std::string& text : std::get<std::vector<std::string>>(backfill->value)) {
    if (const auto range = parse_time_range(text); !range) {
      return fail(backfill->origin.mistake(range.error().message));
    }
  }
  return {};
}

bool has_blank(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

Result<void> check_address(const GivenSettings& given) {
  const GivenSetting* addr = find(given, "teleport-addr");
  if (addr == nullptr) return {};
  const auto& text = std::get<std::string>(addr->value);
  if (is_host_port(text)) return {};
  return fail(addr->origin.mistake(
      fmt::format("is \"{}\", but must be HOST:PORT, such as \"teleport.example.com:443\"", text)));
}

Result<void> check_mode(const GivenSettings& given) {
  const GivenSetting* mode = find(given, "teleport-mode");
  if (mode == nullptr) return {};
  const auto& name = std::get<std::string>(mode->value);
  if (teleport_mode(name)) return {};
  return fail(mode->origin.mistake(
      fmt::format("is \"{}\", but must be auto, direct, tls-routing or upgrade", name)));
}

Result<void> check_log_format(const GivenSettings& given) {
  const GivenSetting* format = find(given, "log-format");
  if (format == nullptr) return {};
  const auto& name = std::get<std::string>(format->value);
  if (log_format(name)) return {};
  return fail(format->origin.mistake(
      fmt::format("is \"{}\", but must be auto, text, json or journal", name)));
}

// One way to be known to Teleport, and only one.
Result<void> check_identity(const GivenSettings& given, const Config& config) {
  const GivenSetting* identity = find(given, "teleport-identity");
  constexpr std::array<std::string_view, 3> kParts = {"teleport-ca", "teleport-cert",
                                                      "teleport-key"};
  const GivenSetting* first_part = nullptr;
  std::string_view absent;
  for (const std::string_view name : kParts) {
    const GivenSetting* part = find(given, name);
    if (part == nullptr && absent.empty()) absent = find_setting(name)->key;
    if (part != nullptr && first_part == nullptr) first_part = part;
  }
  if (identity != nullptr && first_part != nullptr) {
    return fail(identity->origin.mistake(fmt::format(
        "and {} exclude each other: keep the identity file, or teleport.ca, teleport.cert and "
        "teleport.key",
        first_part->origin.label)));
  }
  if (identity == nullptr && first_part == nullptr) {
    return fail(missing(config, "teleport.identity",
                        "name an identity file, or give teleport.ca, teleport.cert and "
                        "teleport.key"));
  }
  if (identity == nullptr && !absent.empty()) {
    return fail(missing(config, absent,
                        "teleport.ca, teleport.cert and teleport.key must be given together"));
  }
  return {};
}

void warn_about_fetcher(const GivenSettings& given, Config* config) {
  if (is_switched(given, "teleport-refresh-enabled", false)) {
    warn(find(given, "teleport-refresh-enabled")->origin,
         "is false, but the identity is always refreshed: the setting has no effect", config);
  }
  if (const GivenSetting* skipped = find(given, "skip-session-types");
      skipped != nullptr && config->fetcher.skip_session_types.empty()) {
    warn(skipped->origin,
         "is empty, so everything that is shown in a session is exported, \"print\" and "
         "\"desktop.recording\" events included",
         config);
  }
}

Result<void> check_metrics_address(const GivenSettings& given, std::string_view name) {
  const GivenSetting* setting = find(given, name);
  if (setting == nullptr) return {};
  const auto& text = std::get<std::string>(setting->value);
  if (text == kNoAddress || parse_ip_port(text)) return {};
  return fail(setting->origin.mistake(fmt::format(
      "is \"{}\", but must be IP:PORT, such as \"127.0.0.1:9464\", or \"{}\"", text, kNoAddress)));
}

void check_fetcher(const GivenSettings& given, Files files, ConfigReport* report) {
  Config* const config = &report->config;
  Checks checks(report);
  checks.about({"teleport-addr"}, [&] { return check_address(given); });
  checks.about({"teleport-identity", "teleport-ca", "teleport-cert", "teleport-key"},
               [&] { return check_identity(given, *config); });
  checks.about({"log-format"}, [&] { return check_log_format(given); });
  checks.about({"teleport-mode"}, [&] { return check_mode(given); });
  checks.about({"backfill"}, [&] { return check_backfill(given); });
  checks.about({"fetcher-metrics-address"},
               [&] { return check_metrics_address(given, "fetcher-metrics-address"); });
  constexpr std::array<std::string_view, 5> kFiles = {
      "teleport-identity", "teleport-ca", "teleport-cert", "teleport-key", "teleport-web-ca"};
  if (files == Files::kOpen) check_files(given, kFiles, &checks);
  warn_about_fetcher(given, config);
  if (const GivenSetting* storage = find(given, "storage")) {
    // Those outside the file start where that handler's did.
    config->storage_is_relative = !storage->origin.where.empty() && !storage->text.starts_with('/');
  }
}

// Which may have a password with it: such a URL must not be shown.
bool has_user(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  return url.substr(begin, url.find_first_of("/?#", begin) - begin).find('@') !=
         std::string_view::npos;
}

// What is wrong with a URL of HTTP, as the rest of a sentence; empty: nothing.
std::string http_url_complaint(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fmt::format("is \"{}\", but must start with https:// or http://", url);
  }
  if (has_blank(url)) return fmt::format("is \"{}\", but must have no spaces in it", url);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty() || authority.starts_with(':')) {
    return fmt::format("is \"{}\", but has no host", url);
  }
  return {};
}

// The same of one where events go, as the rest of a sentence; empty: nothing.
std::string url_complaint(std::string_view url) {
  if (has_user(url)) {
    return fmt::format("has a user in it, who would stand in the log: use {} instead",
                       is_forward_url(url)
                           ? "forward.fluentd.username and forward.fluentd.password-file"
                           : "shipper.headers, as in \"Authorization: Basic file:PATH\",");
  }
  if (is_forward_url(url)) {
    const auto parsed = parse_forward_url(url);
    return parsed ? "" : fmt::format("is \"{}\", {}", url, parsed.error().message);
  }
  if (url.starts_with("http://") || url.starts_with("https://")) return http_url_complaint(url);
  return fmt::format(
      "is \"{}\", but must start with https:// or http://, or with forward+tls:// or forward://",
      url);
}

// More would only make it take longer until the preferred one is tried again.
constexpr std::size_t kUrlsMax = 8;

Result<void> check_urls(const GivenSettings& given, std::string_view name, Config* config) {
  const GivenSetting* setting = find(given, name);
  const auto* urls =
      setting == nullptr ? nullptr : &std::get<std::vector<std::string>>(setting->value);
  if (urls == nullptr || urls->empty()) {
    const Setting* known = find_setting(name);
    return fail(missing(*config, known->key, "say where Fluentd takes these events"));
  }
  if (urls->size() > kUrlsMax) {
    return fail(setting->origin.mistake(
        fmt::format("has {} URLs, but must have at most {}", urls->size(), kUrlsMax)));
  }
  for (const std::string& url : *urls) {
    if (const std::string complaint = url_complaint(url); !complaint.empty()) {
      return fail(setting->origin.mistake(complaint));
    }
    if (std::ranges::count(*urls, url) > 1) {
      return fail(setting->origin.mistake(fmt::format("has \"{}\" twice", url)));
    }
  }
  for (const std::string_view scheme : {"http://", "forward://"}) {
    const bool is_used =
        std::ranges::any_of(*urls, [&](const auto& url) { return url.starts_with(scheme); });
    if (!is_used) continue;
    warn(setting->origin,
         fmt::format("starts with {}, so events travel unencrypted and no certificate is checked",
                     scheme),
         config);
  }
  return {};
}

// A session's URL is made by putting its name at the end, which must be the end of the path.
Result<void> check_session_urls(const GivenSettings& given, const Config& config) {
  const GivenSetting& setting = given.find("fluentd-session-url")->second;
  for (const std::string& url : config.fluentd.session_urls) {
    if (url.find_first_of("?#") == std::string::npos) continue;
    return fail(setting.origin.mistake(fmt::format(
        "is \"{}\", but must have no ? or #, since the name of the session is put at its end",
        url)));
  }
  const std::size_t sessions = config.fluentd.session_urls.size();
  const std::size_t audits = config.fluentd.urls.size();
  if (sessions == audits) return {};
  return fail(setting.origin.mistake(fmt::format(
      "has {} URLs and {} has {}, but both must have as many, in the same order of servers",
      sessions, find_setting("fluentd-url")->key, audits)));
}

Result<void> check_client_certificate(const GivenSettings& given) {
  const GivenSetting* cert = find(given, "fluentd-cert");
  const GivenSetting* key = find(given, "fluentd-key");
  if ((cert == nullptr) == (key == nullptr)) return {};
  const GivenSetting* present = cert != nullptr ? cert : key;
  return fail(present->origin.mistake(
      fmt::format("is given, but {} is missing: give both or neither",
                  find_setting(cert == nullptr ? "fluentd-cert" : "fluentd-key")->key)));
}

Result<void> check_passphrase_file(const GivenSettings& given) {
  const GivenSetting* file = find(given, "fluentd-key-passphrase-file");
  if (file == nullptr || find(given, "fluentd-key") != nullptr) return {};
  return fail(file->origin.mistake("is given, but forward.fluentd.key is missing"));
}

Result<void> check_monitor(const GivenSettings& given) {
  const GivenSetting* urls = find(given, "monitor-url");
  const bool has_urls = urls != nullptr && !std::get<std::vector<std::string>>(urls->value).empty();
  if (const GivenSetting* id = find(given, "monitor-plugin-id"); id != nullptr && !has_urls) {
    return fail(id->origin.mistake("is given, but shipper.monitor-url is missing"));
  }
  if (!has_urls) return {};
  for (const std::string& url : std::get<std::vector<std::string>>(urls->value)) {
    if (has_user(url)) {
      return fail(urls->origin.mistake("has a user in it: leave it out, nobody asks for one"));
    }
    if (const std::string complaint = http_url_complaint(url); !complaint.empty()) {
      return fail(urls->origin.mistake(complaint));
    }
    if (url.find_first_of("?#@") != std::string::npos) {
      return fail(
          urls->origin.mistake(fmt::format("is \"{}\", but must have no ?, # or @ in it", url)));
    }
  }
  return {};
}

Result<void> check_retries(const GivenSettings& given, const Config& config) {
  if (config.shipper.retry_min <= config.shipper.retry_max) return {};
  const GivenSetting* min = find(given, "retry-min");
  const GivenSetting* named = min != nullptr ? min : find(given, "retry-max");
  return fail(named->origin.mistake(fmt::format(
      "puts shipper.retry-min ({}) above shipper.retry-max ({})",
      format_duration(config.shipper.retry_min), format_duration(config.shipper.retry_max))));
}

// Reads the values that are in files, too.
Result<void> check_headers(const GivenSettings& given) {
  const GivenSetting* headers = find(given, "headers");
  if (headers == nullptr) return {};
  for (const HttpHeader& header : std::get<std::vector<HttpHeader>>(headers->value)) {
    const auto line = header_line(header);
    if (line) continue;
    const Origin& origin = headers->origin;
    return fail(origin.kind,
                fmt::format("{}{}: {}", origin.where, origin.label, line.error().message));
  }
  return {};
}

Result<void> check_body(const GivenSettings& given) {
  const GivenSetting* body = find(given, "body");
  if (body == nullptr) return {};
  const auto& name = std::get<std::string>(body->value);
  if (body_form(name)) return {};
  return fail(
      body->origin.mistake(fmt::format("is \"{}\", but must be array, ndjson or single", name)));
}

// Fluentd's answer to what it drops is the same as to what it takes.
void warn_about_ndjson(const GivenSettings& given, Config* config) {
  if (config->shipper.body != BodyForm::kNdjson) return;
  warn(
      find(given, "body")->origin,
      "is \"ndjson\", which a Fluentd with \"<parse> @type json\" answers with 200 and drops: make "
      "sure that what is there takes application/x-ndjson",
      config);
}

// What the forward protocol has no place for.
Result<void> check_forward(const GivenSettings& given, Config* config) {
  for (const std::string_view name : {"body", "headers"}) {
    if (const GivenSetting* setting = find(given, name)) {
      return fail(setting->origin.mistake(
          "is given, but the forward protocol, which forward.fluentd.url asks for, has no such "
          "thing: leave it out"));
    }
  }
  const GivenSetting* user = find(given, "fluentd-username");
  const GivenSetting* password = find(given, "fluentd-password-file");
  if ((user == nullptr) != (password == nullptr)) {
    return fail((user != nullptr ? user : password)
                    ->origin.mistake(fmt::format(
                        "is given, but {} is missing: give both or neither",
                        find_setting(user == nullptr ? "fluentd-username" : "fluentd-password-file")
                            ->key)));
  }
  if (user != nullptr && find(given, "fluentd-shared-key-file") == nullptr) {
    return fail(user->origin.mistake(
        "is given, but forward.fluentd.shared-key-file is missing: Fluentd asks for users only "
        "where it has a shared key"));
  }
  config->shipper.body = BodyForm::kEntries;
  return {};
}

// What belongs to one of the protocols only.
Result<void> check_protocol(const GivenSettings& given, Config* config) {
  const std::string& first = config->fluentd.urls.front();
  const bool is_forward = is_forward_url(first);
  for (const std::string_view name : {"fluentd-url", "fluentd-session-url"}) {
    const GivenSetting& setting = *find(given, name);
    for (const std::string& url : std::get<std::vector<std::string>>(setting.value)) {
      if (is_forward_url(url) == is_forward) continue;
      return fail(setting.origin.mistake(
          fmt::format("is \"{}\", but forward.fluentd.url is \"{}\": both must be of the http "
                      "input, or both of the forward input",
                      url, first)));
    }
  }
  if (is_forward) return check_forward(given, config);
  for (const std::string_view name :
       {"fluentd-shared-key-file", "fluentd-username", "fluentd-password-file"}) {
    if (const GivenSetting* setting = find(given, name)) {
      return fail(setting->origin.mistake(
          "is given, but is of the forward protocol only: leave it out, or use URLs that begin "
          "with forward+tls://"));
    }
  }
  return {};
}

// Whatever sends single events sends batches of one.
void limit_batches(const GivenSettings& given, Config* config) {
  if (config->shipper.body != BodyForm::kSingle) return;
  const GivenSetting* events = find(given, "batch-events");
  if (events != nullptr && config->shipper.batch_events > 1) {
    warn(events->origin,
         fmt::format("is {}, but {} = \"single\" lowers it to 1", config->shipper.batch_events,
                     find(given, "body")->origin.label),
         config);
  }
  config->shipper.batch_events = 1;
}

void limit_connections(const GivenSettings& given, Config* config) {
  const GivenSetting* limit = find(given, "fluentd-max-connections");
  if (limit == nullptr) return;
  const std::uint64_t most = std::get<std::uint64_t>(limit->value);
  if (most == 0 || config->shipper.connections <= most) return;
  if (const GivenSetting* connections = find(given, "connections")) {
    warn(connections->origin,
         fmt::format("is {}, but {} lowers it to {}", config->shipper.connections,
                     limit->origin.label, most),
         config);
  }
  config->shipper.connections = static_cast<std::uint32_t>(most);
}

// It becomes the path of a URL as it is.
Result<void> check_heartbeat_tag(const GivenSettings& given) {
  const GivenSetting* tag = find(given, "heartbeat-tag");
  if (tag == nullptr) return {};
  const auto& text = std::get<std::string>(tag->value);
  const bool is_good = std::ranges::all_of(text, [](unsigned char c) {
    return (std::isalnum(c) != 0 && c < 0x80) || std::string_view("._-/").contains(c);
  });
  if (is_good && text.find_first_not_of("./") == 0) return {};
  return fail(tag->origin.mistake(
      fmt::format("is \"{}\", but must be a tag such as \"sluice.heartbeat\", of letters, digits, "
                  "\".\", \"_\", \"-\" and \"/\"",
                  text)));
}

void check_shipper(const GivenSettings& given, Files files, ConfigReport* report) {
  Config* const config = &report->config;
  Checks checks(report);
  checks.about({"log-format"}, [&] { return check_log_format(given); });
  checks.about({"dry-run"}, [&] { return refuse_dry_run(given); });
  checks.about({"fluentd-url"}, [&] { return check_urls(given, "fluentd-url", config); });
  checks.about({"fluentd-session-url"},
               [&] { return check_urls(given, "fluentd-session-url", config); });
  checks.about({"fluentd-session-url", "fluentd-url"},
               [&] { return check_session_urls(given, *config); });
  checks.about({"fluentd-cert", "fluentd-key"}, [&] { return check_client_certificate(given); });
  checks.about({"fluentd-url", "fluentd-session-url", "body", "headers", "fluentd-username",
                "fluentd-password-file", "fluentd-shared-key-file"},
               [&] { return check_protocol(given, config); });
  checks.about({"fluentd-key-passphrase-file", "fluentd-key"},
               [&] { return check_passphrase_file(given); });
  checks.about({"monitor-url", "monitor-plugin-id"}, [&] { return check_monitor(given); });
  constexpr std::array<std::string_view, 6> kFiles = {"fluentd-ca",
                                                      "fluentd-cert",
                                                      "fluentd-key",
                                                      "fluentd-key-passphrase-file",
                                                      "fluentd-shared-key-file",
                                                      "fluentd-password-file"};
  checks.about({"heartbeat-tag"}, [&] { return check_heartbeat_tag(given); });
  checks.about({"shipper-metrics-address"},
               [&] { return check_metrics_address(given, "shipper-metrics-address"); });
  if (files == Files::kOpen) check_files(given, kFiles, &checks);
  checks.about({"retry-min", "retry-max"}, [&] { return check_retries(given, *config); });
  if (files == Files::kOpen) checks.about({"headers"}, [&] { return check_headers(given); });
  checks.about({"body"}, [&] { return check_body(given); });
  warn_about_ndjson(given, config);
  limit_batches(given, config);
  limit_connections(given, config);
}

}  // namespace

void check_config(Program program, const GivenSettings& given, Files files, ConfigReport* report) {
  switch (program) {
    case Program::kFetcher:
      return check_fetcher(given, files, report);
    case Program::kShipper:
      return check_shipper(given, files, report);
    case Program::kQueuectl:
      break;
  }
  // It shows how many events can be sent twice, which follows from the connections and batches.
  limit_batches(given, &report->config);
  limit_connections(given, &report->config);
}

}  // namespace sluice
