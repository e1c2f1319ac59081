#include "shipper/configure/configure.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "shipper/configure/texts.h"

namespace sluice::shipper::configure {
namespace {

constexpr std::string_view kMade = R"({out} is made:
  ca.crt             the authority that both sides trust, until {until}
  ca.key             its key, which makes more certificates: nothing that runs needs it, so keep it elsewhere
  server.crt         Fluentd's certificate, for {hosts}
  server.key         its key, encrypted; the passphrase is in fluent.conf
  client.crt         sluice-shipper's certificate
  client.key         its key
  fluent.conf        Fluentd's configuration
  role.yaml          Teleport's role and user {role}
  tbot.yaml          the configuration of a tbot, which renews the identity by itself
  sluice.toml        the configuration of both daemons and queuectl
  helm-values.yaml   values for a Helm chart
)";

constexpr std::string_view kNext = R"(
Next:
  1. tctl create -f {out}/role.yaml
  2. tctl auth sign --format=file --user={role} --ttl=8760h --out={out}/identity
     or, renewed by itself, tbot as {out}/tbot.yaml says
  3. ca.crt, server.crt and server.key to {keys} on Fluentd's machine, and there:
     fluentd -c fluent.conf
  4. sluice-shipper probe --config {out}/sluice.toml
  5. sluice-fetcher start --config {out}/sluice.toml
     sluice-shipper start --config {out}/sluice.toml
  6. queuectl status --config {out}/sluice.toml
)";

std::string hosts_of(const Plan& plan) {
  std::vector<std::string> hosts = plan.certificates.dns_names;
  hosts.insert(hosts.end(), plan.certificates.ips.begin(), plan.certificates.ips.end());
  return fmt::format("{}", fmt::join(hosts, ", "));
}

void declare(CLI::App* app, Options* options) {
  app->add_option("OUT", options->out, "The folder to make; it must not exist, or be empty")
      ->type_name("FOLDER")
      ->required();
  app->add_option("ADDR", options->addr, "Host and port of Teleport's proxy or Auth service")
      ->capture_default_str();
  app->add_option("--dns-names", options->dns_names,
                  "Fluentd's host names, the first of which it is reached by; a list, or given "
                  "several times (default: localhost)")
      ->type_name("NAME")
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_option("--ip", options->ips, "Fluentd's addresses; a list, or given several times")
      ->type_name("ADDRESS")
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_option("--port", options->port,
                  "The port of Fluentd's input (default: 8888, with --forward 24224)");
  app->add_flag("--forward", options->forward,
                "Use Fluentd's forward input in place of its http input");
  app->add_option("--key-type", options->key_type, "The keys' algorithm: ecdsa or rsa")
      ->capture_default_str();
  app->add_option("--length", options->length,
                  "Bits of RSA keys: 2048, 3072 or 4096 (default: 3072)")
      ->type_name("BITS");
  app->add_option("--ttl", options->ttl, "How long the certificates are valid")
      ->type_name("DURATION")
      ->capture_default_str();
  app->add_option("--organization", options->organization, "The certificates' organization")
      ->type_name("TEXT")
      ->capture_default_str();
  app->add_option("--ca-name", options->ca_name, "The authority's common name")
      ->type_name("TEXT")
      ->capture_default_str();
  app->add_option("--server-name", options->server_name,
                  "The common name of Fluentd's certificate (default: its first host)")
      ->type_name("TEXT");
  app->add_option("--client-name", options->client_name, "The common name of Sluice's certificate")
      ->type_name("TEXT")
      ->capture_default_str();
  app->add_option("--fluentd-keys", options->fluentd_keys,
                  "Where Fluentd's certificate will be on its machine (default: OUT)")
      ->type_name("FOLDER");
  app->add_option("--fluentd-data", options->fluentd_data,
                  "Where Fluentd keeps its buffers and what it received")
      ->type_name("FOLDER")
      ->capture_default_str();
  app->add_option("--role-name", options->role_name, "The name of Teleport's role and user")
      ->type_name("NAME")
      ->capture_default_str();
  app->add_flag("--lock-enabled", options->lock_enabled,
                "Lock users who fail to log in too often, which needs one right more");
  app->add_flag("--force", options->force,
                "Replace OUT when it is not empty; what is in it is moved aside, and not deleted");
}

Result<void> run(const Options& options) {
  const Timestamp now = system_clock().now();
  SLUICE_ASSIGN(const Plan plan, make_plan(options, now));
  SLUICE_TRY(check_place(plan.out, plan.force));
  SLUICE_ASSIGN(const std::vector<NewFile> files, make_files(plan));
  SLUICE_ASSIGN(const auto aside, place_files(plan.out, files, plan.force, now));
  fmt::print("{}", describe_result(plan, aside));
  return {};
}

}  // namespace

DaemonCommand configure_command() {
  // Lives as long as the command: the parser fills it in, and then it is run.
  auto options = std::make_shared<Options>();
  return {
      .name = "configure",
      .description = "Make certificates and configuration files for Fluentd, Teleport and Sluice",
      .takes_config = false,
      .declare = [options](CLI::App* app) { declare(app, options.get()); },
      .run = [options](const Config* /*config*/,
                       const std::stop_token& /*stop*/) { return run(*options); }};
}

Result<std::vector<NewFile>> make_files(const Plan& plan) {
  SLUICE_ASSIGN(const Certificates made, make_certificates(plan.certificates));
  return std::vector<NewFile>{
      {.name = std::string(kAuthorityFile), .content = made.authority.certificate},
      {.name = "ca.key", .content = made.authority.key},
      {.name = std::string(kServerFile), .content = made.server.certificate},
      {.name = std::string(kServerKeyFile), .content = made.server.key},
      {.name = std::string(kClientFile), .content = made.client.certificate},
      {.name = std::string(kClientKeyFile), .content = made.client.key},
      {.name = "fluent.conf", .content = fluent_conf(plan)},
      {.name = "role.yaml", .content = role_yaml(plan)},
      {.name = "tbot.yaml", .content = tbot_yaml(plan)},
      {.name = "sluice.toml", .content = sluice_toml(plan)},
      {.name = "helm-values.yaml", .content = helm_values(plan)},
  };
}

std::string describe_result(const Plan& plan, const std::filesystem::path& aside) {
  std::string text =
      fmt::format(kMade, fmt::arg("out", plan.out.native()),
                  fmt::arg("until", format_rfc3339(plan.certificates.until)),
                  fmt::arg("hosts", hosts_of(plan)), fmt::arg("role", plan.role_name));
  if (!aside.empty()) text += fmt::format("What was there is now {}.\n", aside.native());
  text += fmt::format(kNext, fmt::arg("out", plan.out.native()), fmt::arg("role", plan.role_name),
                      fmt::arg("keys", plan.fluentd_keys));
  return text;
}

}  // namespace sluice::shipper::configure
