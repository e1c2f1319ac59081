#include "shipper/configure/plan.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "common/host_port.h"
#include "common/random.h"

namespace sluice::shipper::configure {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameBytesMax = 64;  // X.520's limit for a name's parts
constexpr std::size_t kHostBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;
constexpr std::uint16_t kHttpPort = 8888;
constexpr std::uint16_t kForwardPort = 24224;
constexpr unsigned kUsualRsaBits = 3072;
constexpr std::chrono::hours kShortestValidity{1};
constexpr std::int64_t kLateClockSeconds = 3600;
constexpr std::size_t kPassphraseBytes = 32;

std::unexpected<Error> wrong(std::string_view argument, std::string_view value,
                             std::string_view complaint) {
  return fail(ErrorKind::kUsage, fmt::format("{} is \"{}\", but {}", argument, value, complaint));
}

bool is_letter_or_digit(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kLabelBytesMax && label.front() != '-' &&
         label.back() != '-' && std::ranges::all_of(label, [](unsigned char c) {
           return is_letter_or_digit(c) || c == '-' || c == '_';
         });
}

bool is_wildcard(std::string_view name) { return name.starts_with("*."); }

bool is_host_name(std::string_view name) {
  if (name.size() > kHostBytesMax) return false;
  if (is_wildcard(name)) name.remove_prefix(2);
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_ip6(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

bool is_ip(const std::string& text) {
  std::array<unsigned char, sizeof(in_addr)> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 || is_ip6(text);
}

Result<void> check_dns_name(const std::string& name) {
  if (is_ip(name)) return wrong("--dns-names", name, "that is an address: give it with --ip");
  if (!is_host_name(name)) return wrong("--dns-names", name, "must be a host name");
  return {};
}

// What Fluentd is reached by. On this machine, if nothing is said.
Result<void> take_hosts(const Options& options, Plan* plan) {
  std::vector<std::string>& names = plan->certificates.dns_names = options.dns_names;
  std::vector<std::string>& ips = plan->certificates.ips = options.ips;
  if (names.empty() && ips.empty()) names = {"localhost"};
  for (const std::string& name : names) SLUICE_TRY(check_dns_name(name));
  for (const std::string& ip : ips) {
    if (!is_ip(ip)) return wrong("--ip", ip, "must be an IPv4 or IPv6 address");
  }
  const auto named = std::ranges::find_if_not(names, is_wildcard);
  if (named == names.end() && ips.empty()) {
    return wrong("--dns-names", names.front(),
                 "what Fluentd is reached by must be there, too: a name without *, or --ip");
  }
  if (named != names.end()) {
    plan->fluentd_host = *named;
  } else {
    plan->fluentd_host = is_ip6(ips.front()) ? fmt::format("[{}]", ips.front()) : ips.front();
  }
  if (options.ips.empty() && std::ranges::find(names, "localhost") != names.end()) {
    ips = {"127.0.0.1", "::1"};
  }
  return {};
}

Result<void> take_key_type(const Options& options, CertificateOrder* order) {
  constexpr std::array<unsigned, 3> kLengths = {2048, 3072, 4096};
  if (options.key_type == "ecdsa") {
    if (options.length == 0) return {};
    return fail(ErrorKind::kUsage,
                "--length is for RSA only: leave it out, or give --key-type rsa, too");
  }
  if (options.key_type != "rsa") {
    return wrong("--key-type", options.key_type, "must be ecdsa or rsa");
  }
  order->key_type = KeyType::kRsa;
  order->rsa_bits = options.length == 0 ? kUsualRsaBits : options.length;
  if (std::ranges::find(kLengths, order->rsa_bits) != kLengths.end()) return {};
  return wrong("--length", std::to_string(options.length), "must be 2048, 3072 or 4096");
}

Result<void> take_validity(const Options& options, Timestamp now, CertificateOrder* order) {
  const auto ttl = parse_duration(options.ttl);
  if (!ttl) return fail(ErrorKind::kUsage, fmt::format("--ttl: {}", ttl.error().message));
  if (*ttl < kShortestValidity) return wrong("--ttl", options.ttl, "must be at least 1h");
  order->from = add_seconds({.seconds = now.seconds, .nanos = 0}, -kLateClockSeconds);
  order->until = add_seconds({.seconds = now.seconds, .nanos = 0},
                             std::chrono::floor<std::chrono::seconds>(*ttl).count());
  return {};
}

Result<void> check_name(std::string_view argument, std::string_view name) {
  const bool is_plain =
      std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c >= 0x7f; });
  if (!name.empty() && name.size() <= kNameBytesMax && is_plain) return {};
  return wrong(argument, name, "must have 1 to 64 letters of ASCII");
}

Result<void> take_subjects(const Options& options, CertificateOrder* order) {
  std::string server = options.server_name;
  if (server.empty()) server = order->dns_names.empty() ? order->ips[0] : order->dns_names[0];
  // Nobody looks at the common name where there are alternative names.
  if (options.server_name.empty() && server.size() > kNameBytesMax) server = "Fluentd";
  SLUICE_TRY(check_name("--organization", options.organization));
  SLUICE_TRY(check_name("--ca-name", options.ca_name));
  SLUICE_TRY(check_name("--server-name", server));
  SLUICE_TRY(check_name("--client-name", options.client_name));
  order->authority = {.common_name = options.ca_name, .organization = options.organization};
  order->server = {.common_name = server, .organization = options.organization};
  order->client = {.common_name = options.client_name, .organization = options.organization};
  return {};
}

Result<void> take_teleport(const Options& options, Plan* plan) {
  if (!is_host_port(options.addr)) {
    return wrong("ADDR", options.addr, "must be HOST:PORT, such as \"teleport.example.com:443\"");
  }
  plan->teleport_addr = options.addr;
  plan->teleport_is_auth = options.addr.ends_with(":3025");
  const bool is_plain = std::ranges::all_of(options.role_name, [](unsigned char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
  });
  if (options.role_name.empty() || !is_plain) {
    return wrong("--role-name", options.role_name,
                 "must be of letters, digits, \"-\", \"_\" and \".\"");
  }
  plan->role_name = options.role_name;
  plan->lock_enabled = options.lock_enabled;
  return {};
}

// Stands between single quotes in Fluentd's file, where these are special; % and $ are in paths of
// outputs, which have times and tags put in.
Result<void> check_fluentd_folder(std::string_view argument, const std::string& folder) {
  const bool is_plain =
      folder.find_first_of("'\\%$") == std::string::npos &&
      std::ranges::none_of(folder, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (folder.starts_with('/') && is_plain) return {};
  return wrong(argument, folder, "must be an absolute path without ', \\, % and $ in it");
}

Result<void> take_folders(const Options& options, Plan* plan) {
  std::error_code failed;
  plan->out = fs::weakly_canonical(fs::absolute(options.out, failed), failed);
  if (failed || options.out.empty()) {
    return wrong("OUT", options.out.native(), "must be the path of a folder");
  }
  if (!plan->out.has_filename()) plan->out = plan->out.parent_path();
  if (plan->out == plan->out.root_path()) {
    return wrong("OUT", options.out.native(), "must be a folder below the root");
  }
  const bool elsewhere = !options.fluentd_keys.empty();
  plan->fluentd_keys = elsewhere ? options.fluentd_keys : plan->out.native();
  plan->fluentd_data = options.fluentd_data;
  SLUICE_TRY(check_fluentd_folder(elsewhere ? "--fluentd-keys" : "OUT", plan->fluentd_keys));
  return check_fluentd_folder("--fluentd-data", plan->fluentd_data);
}

std::string new_passphrase() {
  std::array<std::uint8_t, kPassphraseBytes> bytes{};
  fill_random(bytes);
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

Result<Plan> make_plan(const Options& options, Timestamp now) {
  Plan plan;
  SLUICE_TRY(take_folders(options, &plan));
  SLUICE_TRY(take_teleport(options, &plan));
  SLUICE_TRY(take_hosts(options, &plan));
  SLUICE_TRY(take_key_type(options, &plan.certificates));
  SLUICE_TRY(take_validity(options, now, &plan.certificates));
  SLUICE_TRY(take_subjects(options, &plan.certificates));
  plan.certificates.server_passphrase = new_passphrase();
  plan.forward = options.forward;
  plan.port = options.port;
  if (plan.port == 0) plan.port = options.forward ? kForwardPort : kHttpPort;
  plan.force = options.force;
  return plan;
}

}  // namespace sluice::shipper::configure
