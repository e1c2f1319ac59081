#include <fmt/format.h>

#include "shipper/configure/texts.h"

namespace sluice::shipper::configure {
namespace {

constexpr std::string_view kToml =
    R"(# For sluice-fetcher, sluice-shipper and queuectl. Relative paths start at this file's folder; the
# queue is in /var/lib/sluice/<instance> unless [queue] path says another place.
{lock}
[teleport]
addr = "{addr}"
# Made by: tctl auth sign --format=file --user={role} --out=identity
# or by tbot (tbot.yaml). It is read again whenever it changes.
identity = "{identity}"

[forward.fluentd]
url = "{url}"
session-url = "{session_url}"
ca = "{ca}"
cert = "{cert}"
key = "{key}"

# Where the shipper runs on Fluentd's own machine, it compares what Fluentd's outputs have counted with
# what was acknowledged.
# [shipper]
# monitor-url = "http://127.0.0.1:24220"
# monitor-plugin-id = ["sluice_events", "sluice_sessions", "sluice_other"]
)";

}  // namespace

std::string sluice_toml(const Plan& plan) {
  return fmt::format(kToml, fmt::arg("lock", plan.lock_enabled ? "\nlock-enabled = true\n" : ""),
                     fmt::arg("addr", plan.teleport_addr), fmt::arg("role", plan.role_name),
                     fmt::arg("identity", kIdentityFile), fmt::arg("url", audit_url(plan)),
                     fmt::arg("session_url", session_url(plan)), fmt::arg("ca", kAuthorityFile),
                     fmt::arg("cert", kClientFile), fmt::arg("key", kClientKeyFile));
}

}  // namespace sluice::shipper::configure
